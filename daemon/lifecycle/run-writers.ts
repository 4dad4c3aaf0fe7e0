/** The processes that write runs, as their rings and spool files show them. */
export interface RunWriters {
  /** Looks afresh, and hands over what dead writers left. */
  lookAnew(): Promise<void>;
  /** Whether a writer of the run lives, or has left something that is not handed over yet. */
  holds(runId: string): boolean;
  /** Likewise of one writer. */
  holdsWriter(writerId: string): boolean;
  /** Runs with a living writer, such as a forked child of the process that started the run. */
  livingRuns(): ReadonlySet<string>;
}
