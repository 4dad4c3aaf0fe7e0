import { hostname } from "node:os";
import { PipekitError, RunState } from "@pipekit/proto";
import { ulid } from "ulid";
import { type Journal, type RunEntry, writingProcess } from "../journal/journal.ts";
import { MemberWatch } from "./members.ts";
import { type LiveProcess, lives } from "./processes.ts";
import { processOfRun } from "./run-process.ts";
import type { RunWriters } from "./run-writers.ts";

const PAGE = 500;

/** How the writers of running runs are watched. */
export interface OrphanWatchOptions {
  readonly journal: Pick<Journal, "append" | "run" | "runs" | "members" | "totals" | "onCommit" | "onResume">;
  readonly writers: RunWriters;
  /** Silence after the end of the process before the run is ended, milliseconds. */
  readonly graceMs: number;
  /** Milliseconds between two looks. */
  readonly intervalMs: number;
  readonly log: OrphanLog;
}

interface OrphanLog {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A running run and the process that writes it. */
interface Writer {
  readonly pid: number;
  /** The process as first seen; undefined when it was gone already. */
  readonly seen: LiveProcess | undefined;
  lastFrameMs: number;
  /** A frame came since the last look: the run may have ended. */
  touched: boolean;
}

/**
 * Ends the runs whose writing processes are gone: kill -9 leaves nobody to say so. Once they are gone, what they left
 * is handed over, and no frame came for the grace time, a run gets an end record: FAILED, reason `killed`.
 */
export class OrphanWatch {
  readonly #options: OrphanWatchOptions;
  readonly #writers = new Map<string, Writer>();
  readonly #members: MemberWatch;
  /** Runs that are not watched here: ended, of a group, or written from elsewhere. A resume takes a run out of it. */
  readonly #settled = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  readonly #stops: (() => void)[] = [];
  readonly #lookups = new Set<Promise<void>>();
  #looking: Promise<void> = Promise.resolve();

  constructor(options: OrphanWatchOptions) {
    this.#options = options;
    this.#members = new MemberWatch(options);
  }

  /** Finds the runs that are running, then watches. */
  async start(): Promise<void> {
    const { journal, intervalMs } = this.#options;
    this.#stops.push(
      journal.onResume((runIds) => this.#resumed(runIds)),
      journal.onCommit((runIds) => this.#committed(runIds)),
    );
    // Asked first, because listing runs costs the journal a thread.
    if ((await journal.totals()).runsRunning > 0) await this.#findRunning();
    this.#timer = setInterval(() => this.look(), intervalMs);
    this.#timer.unref();
  }

  /** Number of running runs with a process that lives. */
  get living(): number {
    const alive = this.#options.writers.livingRuns();
    let count = this.#members.livingRuns().size;
    for (const [runId, writer] of this.#writers) if (isAlive(writer) || alive.has(runId)) count++;
    return count;
  }

  /** Resolves once `living` counts every run that was committed before. */
  async caughtUp(): Promise<void> {
    while (this.#lookups.size > 0) await Promise.all(this.#lookups);
  }

  /** Looks at every watched run once; resolves when what was found is journaled. */
  look(): Promise<void> {
    this.#looking = this.#looking
      .then(() => this.#lookOnce())
      .then(() => this.#members.look())
      .catch((err: unknown) => this.#options.log.error({ err }, "cannot look after running runs"));
    return this.#looking;
  }

  /** Stops; resolves when nothing more will be journaled. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const stop of this.#stops) stop();
    this.#writers.clear();
    this.#members.clear();
    await this.#looking;
  }

  async #findRunning(): Promise<void> {
    let before: string | undefined;
    while (true) {
      const query = { limit: PAGE, state: "running" as const, ...(before && { before }) };
      const page = await this.#options.journal.runs(query);
      for (const run of page) await this.#watch(run);
      before = page.at(-1)?.runId;
      if (page.length < PAGE) break;
    }
  }

  /** Another process writes them now: the commit that tells of it has them looked up anew. */
  #resumed(runIds: ReadonlySet<string>): void {
    for (const runId of runIds) {
      this.#writers.delete(runId);
      this.#settled.delete(runId);
    }
  }

  #committed(runIds: ReadonlySet<string>): void {
    for (const runId of runIds) {
      const writer = this.#writers.get(runId);
      if (writer !== undefined) {
        writer.lastFrameMs = performance.now();
        writer.touched = true;
      } else if (!this.#settled.has(runId)) {
        const lookup = this.#options.journal
          .run(runId)
          .then((run) => this.#watch(run))
          .catch((err: unknown) => this.#options.log.error({ err, runId }, "cannot look after a run"));
        this.#lookups.add(lookup);
        void lookup.then(() => this.#lookups.delete(lookup));
      }
    }
  }

  async #watch(run: RunEntry): Promise<void> {
    const { pid, host } = writingProcess(run);
    if (run.state === "running" && run.start.member !== undefined) {
      this.#settle(run.runId);
      await this.#members.add(run.runId);
    } else if (run.state !== "running" || pid <= 0 || host !== hostname()) {
      this.#settle(run.runId);
    } else {
      const seen = processOfRun(run);
      this.#writers.set(run.runId, { pid, seen, lastFrameMs: performance.now(), touched: false });
    }
  }

  #settle(runId: string): void {
    this.#writers.delete(runId);
    this.#settled.add(runId);
    // A run that ended is not heard of again; the set need not remember for long.
    if (this.#settled.size > 1000) this.#settled.delete(this.#settled.values().next().value ?? "");
  }

  async #lookOnce(): Promise<void> {
    for (const [runId, writer] of [...this.#writers]) {
      if (writer.touched) {
        writer.touched = false;
        const { state } = await this.#options.journal.run(runId);
        if (state !== "running" && this.#writers.get(runId) === writer) this.#settle(runId);
      } else if (!isAlive(writer) && performance.now() - writer.lastFrameMs >= this.#options.graceMs) {
        // An ended run would refuse what its writers still log or have left. Frames that are handed over now
        // begin the grace time anew.
        await this.#options.writers.lookAnew();
        const { state, lastPosition } = await this.#options.journal.run(runId);
        const goesOn = writer.touched || this.#writers.get(runId) !== writer;
        if (goesOn || this.#options.writers.holds(runId)) continue;
        if (state === "running") await this.#end(runId, writer.pid, lastPosition);
        else this.#settle(runId);
      }
    }
  }

  /** Ends a run, unless a frame came behind `lastPosition`: then it is looked at again. */
  async #end(runId: string, pid: number, lastPosition: number): Promise<void> {
    const end = { state: RunState.RUN_STATE_FAILED, reason: "killed", endedAtUs: Date.now() * 1000 } as const;
    const records = [{ record: { $case: "end" as const, value: end } }];
    try {
      const frame = { writerId: ulid(), seq: 1, runId, records };
      if ((await this.#options.journal.append(frame, [], lastPosition)) === "overtaken") return;
      this.#options.log.info({ runId, pid }, "ended a run whose process is gone");
    } catch (error) {
      if (!(error instanceof PipekitError && error.code === "RUN_ENDED")) throw error;
    }
    this.#settle(runId);
  }
}

function isAlive(writer: Writer): boolean {
  return writer.seen !== undefined && lives(writer.seen);
}
