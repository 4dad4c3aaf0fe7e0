/**
 * The daemon's life: one daemon for a state folder, from the lock to the drain.
 *
 * Architecture Invariant: only the holder of the state folder's lock removes a socket, and only a dead one or its own.
 * Architecture Invariant: a drain never waits for a tracker; what was acknowledged is on disk already. Who sets `drain_s` has the daemon
 * wait before it drains.
 */

export { type ClaimResult, claimState } from "./claim.ts";
export { type DrainStep, drain } from "./drain.ts";
export { type HandOverDecision, makePlace, type Newcomer } from "./hand-over.ts";
export { IdleWatch } from "./idle.ts";
export { type DaemonInfo, readDaemonInfo, StateLock, writeDaemonInfo } from "./lock.ts";
export { createLog, SECRET_NAME } from "./log.ts";
export { limitGarbage, releaseMemory } from "./memory.ts";
export { OrphanWatch } from "./orphans.ts";
export { isProcessGone, processMark } from "./process-mark.ts";
export { liveProcess, thisMachine } from "./processes.ts";
export { type QuietQuestions, untilQuiet } from "./quiet.ts";
export { processSince } from "./run-process.ts";
export type { RunWriters } from "./run-writers.ts";
export { drainOnSignal, EXIT_INTERRUPTED } from "./signals.ts";
export { type Answerer, isOurs, type SocketIdentity, sealSocket, whoAnswers } from "./socket.ts";
