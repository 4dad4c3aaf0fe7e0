import { BackendRefused } from "../registry.ts";

const DENIED = new Set<unknown>(["EACCES", "EPERM", "EROFS"]);

/** Whether the system does not let us write. */
export function isDenied(error: unknown): boolean {
  return error instanceof Error && "code" in error && DENIED.has(error.code);
}

/** Of a write under `root`: what readers without the right to write are told. Other errors pass as they are. */
export function asDenied(error: unknown, root: string): unknown {
  if (!isDenied(error)) return error;
  return new BackendRefused(
    `The daemon's user may not write in ${root}.`,
    "Open the folder to its group (`chmod g+ws`) before the first model is stored, or name another registry.",
    error,
  );
}
