/** Exponential backoff with full jitter: anything between 0 and the doubled step, so that many runs do not march in step. */
export function backoffMs(failures: number, baseMs: number, capMs: number, random: () => number): number {
  return random() * Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 30));
}
