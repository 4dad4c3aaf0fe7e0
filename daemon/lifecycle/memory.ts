import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * Collects garbage now, as thoroughly as V8 can. An idle process collects nothing by itself, so what the start left
 * behind (about 5 MB) would stay for as long as the daemon waits.
 */
export function releaseMemory(): void {
  // Node has no other way to ask for it without a command-line flag, which every client would have to know.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options: object) => void;
  // An ordinary collection keeps the compiled code and the young space of the start.
  collect({ type: "major", flavor: "last-resort" });
}

/** How far the heap may grow beyond what lived at the last full collection until the next one, percent of that. */
const GROWTH_PERCENT = 50;

/**
 * Keeps garbage small from now on. V8 by itself lets the heap of a busy process grow to four times what lives in it,
 * and keeps the pages: a day of outages and backlogs would leave a daemon of a gigabyte with 100 MB in use. To be called
 * when the start is over: with another flag threads that start do not take the code that was compiled before.
 */
export function limitGarbage(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
