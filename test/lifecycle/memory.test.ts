import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { expect, test } from "vitest";

const MEMORY = resolve(import.meta.dirname, "../../daemon/lifecycle/memory.ts");

/** Holds 32 MB, and lets fifteen times as much come and go that lives just long enough to be old; tells the most heap, in MB. */
const BUSY = `
import { limitGarbage } from ${JSON.stringify(MEMORY)};
limitGarbage();
const piece = () => {
  const values = [];
  for (let i = 0; i < 1000; i++) values.push(i + 0.5);
  return values;
};
const held = Array.from({ length: 4_000 }, piece);
const passing = Array.from({ length: 3_000 });
let most = 0;
for (let i = 0; i < 60_000; i++) {
  passing[i % passing.length] = piece();
  if (i % 500 === 0) most = Math.max(most, process.memoryUsage().heapUsed);
}
console.log(Math.round(most / 1e6), held.length);
`;

test("garbage of a busy process stays small beside what lives", () => {
  const flags = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", BUSY];
  // About 240; by V8's own rules it is 480.
  expect(Number.parseInt(execFileSync(process.execPath, flags).toString(), 10)).toBeLessThan(360);
});
