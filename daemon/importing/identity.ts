/** Ids of imported runs, made of what names them at their source, so that whoever imports a run again finds it. */
import { createHash } from "node:crypto";
import type { PastRun } from "@pipekit/adapters/history";
import { decodeTime, TIME_MAX, uuidToULID } from "ulid";

/** Id of the run: sorted by its start, as every run's. */
export function runIdOf(run: PastRun): string {
  return idOf(`run ${run.identity}`, run.startedAtUs / 1000);
}

/** Id of the writer of the run's frames; of one that goes on behind `before`, a younger one. */
export function writerIdOf(run: PastRun, before?: string): string {
  const startMs = run.startedAtUs / 1000;
  return idOf(`writer ${run.identity}`, before === undefined ? startMs : decodeTime(before) + 1);
}

function idOf(text: string, ms: number): string {
  const time = Math.min(TIME_MAX, Math.max(0, Math.floor(ms)));
  const digest = createHash("sha256").update(text).digest("hex");
  // 48 bits of time, then 80 of the digest where other ids are random.
  const bits = `${time.toString(16).padStart(12, "0")}${digest.slice(0, 20)}`;
  return uuidToULID(bits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"));
}
