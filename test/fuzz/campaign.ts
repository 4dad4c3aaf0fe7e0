/**
 * How long fuzzing goes on, and from where. By default each target has the few runs that it names, the same each time: what
 * only a long search finds is no affair of whoever changes something else. By hand, from another seed each time:
 * PKX_FUZZ_RUNS=10000 (runs of each target), or PKX_FUZZ_SECONDS=120 (seconds of each target); PKX_FUZZ_SEED and
 * PKX_FUZZ_PATH replay what a failure printed.
 *
 * fast-check, and not Jazzer.js: that one is a native addon. What it would add is a search that is guided by coverage; here it is
 * guided by what the formats are made of.
 */
import fc from "fast-check";

const SECONDS = numberOf("PKX_FUZZ_SECONDS");
const RUNS = numberOf("PKX_FUZZ_RUNS");
const BY_HAND = (SECONDS ?? RUNS) !== undefined;
const SEED = numberOf("PKX_FUZZ_SEED") ?? (BY_HAND ? undefined : 1);
/** Most targets of one test. */
const TARGETS = 5;
const PATH = process.env["PKX_FUZZ_PATH"];

/** Milliseconds that a test may take. */
export const PATIENCE_MS = BY_HAND ? TARGETS * (SECONDS ?? 3600) * 1000 + 120_000 : 60_000;

/** What a target is checked with; `runs` is for CI. */
export function runsOf(runs: number) {
  return {
    numRuns: SECONDS === undefined ? (RUNS ?? runs) : Number.MAX_SAFE_INTEGER,
    ...(SECONDS === undefined ? {} : { interruptAfterTimeLimit: SECONDS * 1000 }),
    ...(SEED === undefined ? {} : { seed: SEED }),
    ...(PATH === undefined ? {} : { path: PATH }),
  };
}

/** Fuzzes one target. Rejects with the smallest failure found, and its seed and path. */
export async function fuzz<T>(
  target: string,
  runs: number,
  inputs: fc.Arbitrary<T>,
  check: (input: T) => void | Promise<void>,
): Promise<void> {
  let done = 0;
  const property = fc.asyncProperty(inputs, async (input) => {
    done++;
    await check(input);
  });
  await fc.assert(property, runsOf(runs));
  if (BY_HAND) process.stderr.write(`${target}: ${done} runs\n`);
}

function numberOf(name: string): number | undefined {
  const text = process.env[name];
  return text === undefined ? undefined : Number(text);
}
