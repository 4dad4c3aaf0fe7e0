/** Files of weights for the benches, and how long things take. */
import { randomBytes } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";

export const GIB = 2 ** 30;

/** Writes a file of `bytes` that no de-duplication can shorten. */
export function writeWeights(path: string, bytes = GIB): void {
  const file = openSync(path, "w");
  const block = randomBytes(16 * 2 ** 20);
  for (let written = 0; written < bytes; written += block.length) {
    block.writeUInt32LE(written / block.length);
    writeSync(file, block);
  }
  closeSync(file);
}

/** Seconds that `work` takes. */
export async function seconds(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
