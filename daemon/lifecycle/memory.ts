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
