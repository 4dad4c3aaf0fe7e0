import { decodeTime } from "ulid";

/**
 * Whether frames of a writer may be missing because a restore brought an older journal back: those that were acknowledged
 * between the backup and the restore. That can be so until its first frame after the restore, and for no writer that was
 * made later; everything else that is missing is a defect of the client. `atUs` is when the writer's last frame was
 * journaled, undefined when there is none.
 */
export function mayLackFrames(
  writerId: string,
  atUs: number | undefined,
  restoredAtUs: number | undefined,
): boolean {
  if (restoredAtUs === undefined) return false;
  return (atUs ?? decodeTime(writerId) * 1000) < restoredAtUs;
}
