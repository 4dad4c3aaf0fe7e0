import type { Progress } from "@pipekit/proto";

/**
 * Told now and then how many bytes of how many are done; the total is 0 while it is unknown. The phase tells of what:
 * `receiving`, `sending`, `fetching` and `checking` are the daemon's, `loading` is this process's. Each phase counts anew.
 */
export type OnProgress = (bytesDone: number, bytesTotal: number, phase: string) => void;

/** Passes the daemon's progress on. */
export function tell(onProgress: OnProgress | undefined, { bytesDone, bytesTotal, phase }: Progress): void {
  onProgress?.(bytesDone, bytesTotal, phase);
}
