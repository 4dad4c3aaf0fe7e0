/**
 * Preloaded by `--import`: the time of day is as many milliseconds away from the right one as the file
 * `$PKX_TEST_CLOCK` says at the moment. Timers and performance.now() go on evenly, as on a computer whose clock is set.
 */
import { readFileSync } from "node:fs";

const FILE = process.env.PKX_TEST_CLOCK;
const LOOK_MS = 10;
const RealDate = Date;
let lookedAt = Number.NEGATIVE_INFINITY;
let shiftMs = 0;

function now() {
  const at = performance.now();
  if (at - lookedAt > LOOK_MS) {
    lookedAt = at;
    try {
      shiftMs = Number(readFileSync(FILE, "utf8")) || 0;
    } catch {
      // No file, no shift.
    }
  }
  return RealDate.now() + shiftMs;
}

globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(now());
    else super(...args);
  }

  static now() {
    return now();
  }
};
