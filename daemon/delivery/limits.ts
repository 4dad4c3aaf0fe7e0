/** The numbers that delivery works by. Times are milliseconds. */
export interface Limits {
  /** Calls at one time to one endpoint with one credential. */
  readonly concurrentCalls: number;
  /** A call that lasts longer no longer counts against `concurrentCalls`, so that it delays no other run. */
  readonly slowCallMs: number;
  /** Slow calls that may stand beside the others. */
  readonly slowCalls: number;
  /** Ended runs that have a session at one endpoint at one time. More than all calls, so that hanging runs leave some free. */
  readonly seats: number;
  /** Batches after which an ended run leaves its seat to those that wait. */
  readonly seatBatches: number;
  /** A call is aborted after this time, plus what its files need at `slowestBytesPerSecond`. */
  readonly callTimeoutMs: number;
  readonly slowestBytesPerSecond: number;
  /** How long an aborted call may take to end before it is abandoned with its adapter. */
  readonly abortGraceMs: number;
  /** How long live points wait for company. */
  readonly lingerMs: number;
  /** Where a replay is harmless, the cursor is saved at least this often. */
  readonly saveEveryMs: number;
  readonly saveEveryBatches: number;
  /** An adapter without work is closed after this time. */
  readonly idleCloseMs: number;
  /** When a refused run is tried again. */
  readonly refusedRetryMs: number;
  /** How long who asked for a re-drive waits for its outcome. */
  readonly redrivePatienceMs: number;
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /** Longest time a tool may tell us to stay away. */
  readonly longestAfterMs: number;
  /** Failures in a row, of two runs or more, after which an endpoint is only probed. */
  readonly breakerFailures: number;
  /** Longest time between two probes. */
  readonly probeCapMs: number;
  /** Throws in a row on one call after which its records are dead letters. */
  readonly throws: number;
  /** Journal reads at one time. */
  readonly concurrentReads: number;
}

export const DEFAULT_LIMITS: Limits = {
  concurrentCalls: 4,
  slowCallMs: 10_000,
  slowCalls: 12,
  seats: 32,
  seatBatches: 32,
  callTimeoutMs: 120_000,
  slowestBytesPerSecond: 128 * 1024,
  abortGraceMs: 250,
  lingerMs: 200,
  saveEveryMs: 200,
  saveEveryBatches: 32,
  idleCloseMs: 60_000,
  refusedRetryMs: 600_000,
  redrivePatienceMs: 10_000,
  backoffBaseMs: 500,
  backoffCapMs: 60_000,
  longestAfterMs: 3_600_000,
  breakerFailures: 5,
  probeCapMs: 10_000,
  throws: 8,
  concurrentReads: 8,
};
