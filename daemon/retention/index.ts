/**
 * Retention: how much of the disk the state folder takes, and what may be forgotten to take less.
 *
 * Architecture Invariant: nothing is forgotten that a sink has not taken, or of which a dead letter is left; any doubt
 * keeps it.
 */
export { AutoPrune } from "./auto-prune.ts";
export { type DiskState, DiskWatch } from "./disk.ts";
export { type Prune, type PruneChoice, prunes } from "./prune.ts";
