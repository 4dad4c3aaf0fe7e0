/** Ids of imported runs, made of what names them at their source, so that whoever imports a run again finds it. */
import { createHash } from "node:crypto";
import type { PastRun } from "@pipekit/adapters/history";
import { decodeTime, encodeTime, TIME_LEN, TIME_MAX } from "ulid";

const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RANDOM_LEN = 16;

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
  const digest = createHash("sha256").update(text).digest();
  // 80 bits, five a digit.
  let bits = BigInt(`0x${digest.toString("hex", 0, 10)}`);
  let random = "";
  for (let i = 0; i < RANDOM_LEN; i++, bits >>= 5n) random = DIGITS.charAt(Number(bits & 31n)) + random;
  return encodeTime(Math.min(TIME_MAX, Math.max(0, Math.floor(ms))), TIME_LEN) + random;
}
