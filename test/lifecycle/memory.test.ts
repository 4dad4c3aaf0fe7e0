import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { expect, test } from "vitest";

const MEMORY = resolve(import.meta.dirname, "../../daemon/lifecycle/memory.ts");

/** Holds 60 MB, and lets eight times as much come and go that lives just long enough to be old; tells the most heap, in MB. */
const BUSY = `
import { limitGarbage } from ${JSON.stringify(MEMORY)};
if (process.argv[1] === "limited") limitGarbage();
const piece = () => Array.from({ length: 1000 }, (_, i) => i + 0.5);
const held = Array.from({ length: 8_000 }, piece);
const passing = Array.from({ length: 6_000 });
let most = 0;
for (let i = 0; i < 60_000; i++) {
  passing[i % passing.length] = piece();
  if (i % 500 === 0) most = Math.max(most, process.memoryUsage().heapUsed);
}
console.log(Math.round(most / 1e6), held.length);
`;

function mostHeap(how: string): number {
  const flags = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", BUSY, how];
  return Number.parseInt(execFileSync(process.execPath, flags).toString(), 10);
}

test("garbage of a busy process stays small beside what lives", () => {
  expect(mostHeap("limited")).toBeLessThan(400);
});
