/**
 * What clients leave behind: rings in shared memory and spool files on disk (docs/ring.md).
 *
 * Architecture Invariant: frames of a dead process are journaled under its writer id and numbers, so that what had
 * arrived before, or comes a second time, counts once.
 * Architecture Invariant: a ring or spool file is removed only when its owner is dead and all in it is on disk or
 * refused for good.
 */

export { SpoolDrain, type SpoolDrainOptions } from "./drain.ts";
export { decodeFrame } from "./entries.ts";
export { SpoolFile } from "./spool-file.ts";
export { surveySpool } from "./survey.ts";
