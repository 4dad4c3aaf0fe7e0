import { hostname } from "node:os";
import {
  type BackupMade,
  type DeadLetter,
  type HelloResponse,
  PipekitError,
  type Run,
  type Record as RunRecord,
  type RunStart,
  RunState,
  type Sink,
  type StatusResponse,
} from "@pipekit/proto";
import { ulid } from "ulid";
import { AuditCalls } from "./audit.ts";
import { type BackupOptions, makeBackup } from "./backup.ts";
import { type CallSettings, unary } from "./calls.ts";
import { VERSION } from "./channel.ts";
import { Configs } from "./configs.ts";
import { Connection, type ConnectOptions } from "./connection.ts";
import { Datasets } from "./datasets.ts";
import { DeliveryCalls } from "./delivery.ts";
import { checkGroup, type GroupOptions, groupRunId, memberStart } from "./group.ts";
import { toJson } from "./json.ts";
import {
  type MetricSeries,
  type MetricsQuery,
  type MetricUpdate,
  mergeSeries,
  readMetrics,
  type WatchMetricsQuery,
  watchMetrics,
} from "./metrics.ts";
import { Registry } from "./registry.ts";
import { RunWriter } from "./run.ts";
import { pages, resuming } from "./streams.ts";

/** What to start. */
export interface StartRunOptions extends CallSettings {
  /** Display name; not unique. */
  readonly name?: string | undefined;
  /** The run's config; sinks show it as params. */
  readonly config?: Readonly<{ [name: string]: unknown }> | undefined;
  /** A tracker named in the daemon's config. */
  readonly tracker?: string | undefined;
  /** Tracker specs, such as `mlflow+http://127.0.0.1:5000/experiment`. */
  readonly sinks?: readonly string[] | undefined;
  readonly tags?: Readonly<{ [name: string]: string }> | undefined;
  readonly pipelineHash?: string | undefined;
  /** A ULID; made anew by default. */
  readonly runId?: string | undefined;
  /**
   * Goes on with the run `runId`, running or ended, and starts it where there is none. A run that is there keeps its
   * name, config, tags and sinks; sinks that are new are added. Steps that `log` gives go on behind the last one.
   */
  readonly resume?: boolean | undefined;
  /**
   * This process is one of several that write one run: each starts it with the same group and name and a rank of its own.
   * The run's id is made of group and name; config, tags and sinks are those of rank 0. It ends when all have ended it.
   */
  readonly group?: GroupOptions | undefined;
  /** Points kept while no daemon answers. Default 1 000 000. */
  readonly maxBufferedPoints?: number | undefined;
}

/** Which runs to list. */
export interface ListRunsOptions extends CallSettings {
  readonly state?: "running" | "completed" | "failed" | undefined;
  readonly nameContains?: string | undefined;
  /** Only runs that run, or that some sink has not taken whole. */
  readonly unfinished?: boolean | undefined;
  /** Only runs of this group. */
  readonly group?: string | undefined;
}

/** What became of a run at its sinks. */
export interface SinkReport {
  readonly sinks: readonly Sink[];
  /** The first hundred. */
  readonly deadLetters: readonly DeadLetter[];
}

const STATES = {
  running: RunState.RUN_STATE_RUNNING,
  completed: RunState.RUN_STATE_COMPLETED,
  failed: RunState.RUN_STATE_FAILED,
} as const;

/**
 * Connects to the daemon of this user and state folder, and starts it when none answers.
 * Throws PipekitError: DAEMON_UNAVAILABLE, PROTOCOL_MISMATCH, UNSAFE_FOLDER, INVALID_ARGUMENT (endpoint).
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  return new Client(await Connection.open(options));
}

/** A start, or before it what the daemon takes in its place where the run is there. */
function startRecords(value: RunStart, resume: boolean): RunRecord[] {
  const start: RunRecord = { record: { $case: "start", value } };
  const { startedAtUs: resumedAtUs, client, host, pid } = value;
  const record: RunRecord["record"] = {
    $case: "resume",
    value: { resumedAtUs, client, host, pid, reason: "" },
  };
  return resume ? [{ record }, start] : [start];
}

/** The step behind the last one of a run, system metrics apart. */
function nextStepOf(run: Run | undefined): number {
  const steps = run?.series.filter(({ key }) => !key.startsWith("system/")).map(({ lastStep }) => lastStep);
  return Math.max(-1, ...(steps ?? [])) + 1;
}

/** What a process does with the daemon. Close it when done. */
export class Client implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #writers = new Set<RunWriter>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** What the daemon said of itself. */
  get daemon(): HelloResponse {
    return this.#connection.hello;
  }

  /** Resolves once the connection to the daemon that is used now has broken, or is closed. Calls connect anew by themselves. */
  lost(): Promise<void> {
    return this.#connection.lost();
  }

  /**
   * Starts a run, or goes on with one; resolves once that is on the daemon's disk. Throws INVALID_TRACKER_SPEC,
   * INVALID_CONFIG, RUN_EXISTS, INVALID_FRAME (run id that is no ULID), DAEMON_UNAVAILABLE; where a run is to be resumed
   * INVALID_ARGUMENT (no run id), RUN_PRUNED (its records are gone), PROTOCOL_MISMATCH (the daemon is too old). For a
   * group INVALID_ARGUMENT, PROTOCOL_MISMATCH.
   */
  async startRun(options: StartRunOptions = {}): Promise<RunWriter> {
    const { signal, resume = false, group } = options;
    if (resume) this.#checkResume(options.runId);
    if (group !== undefined) this.#checkGroup(group, options);
    const name = options.name ?? group?.id ?? "";
    const runId = group === undefined ? (options.runId ?? ulid()) : groupRunId(group.id, name);
    const writerId = ulid();
    const plain: RunStart = {
      name,
      tracker: options.tracker ?? "",
      sinks: [...(options.sinks ?? [])],
      pipelineHash: options.pipelineHash ?? "",
      configJson: options.config === undefined ? "" : toJson(options.config, "config"),
      startedAtUs: Date.now() * 1000,
      client: `typescript/${VERSION}`,
      host: hostname(),
      pid: process.pid,
      systemMetricsIntervalMs: 0,
      tags: { ...options.tags },
      member: undefined,
    };
    const value = group === undefined ? plain : memberStart(plain, group);
    const frame = { writerId, seq: 1, runId, records: startRecords(value, resume) };
    const { run } = await this.#connection.call(
      ({ tracker }) => unary(tracker.startRun.bind(tracker), { frame }, { signal }),
      signal,
    );
    const { maxBufferedPoints } = options;
    const nextStep = nextStepOf(run);
    const identity = { runId, writerId, nextSeq: 2, maxBufferedPoints, nextStep };
    const writer = new RunWriter(this.#connection, identity);
    this.#writers.add(writer);
    return writer;
  }

  #checkGroup(group: GroupOptions, { runId }: StartRunOptions): void {
    if (runId !== undefined) {
      throw new PipekitError("INVALID_ARGUMENT", "The run id of a group is made of its name.", {
        field: "runId",
        mend: "Leave runId and resume out: a member that starts again goes on with the run.",
      });
    }
    checkGroup(group);
    this.#connection.need("groups", "let several processes start one run");
  }

  #checkResume(runId: string | undefined): void {
    if (runId === undefined) {
      throw new PipekitError("INVALID_ARGUMENT", "resume needs the id of the run to go on with.", {
        field: "runId",
        mend: "Give the runId of that run.",
      });
    }
    this.#connection.need("resume", "resume runs");
  }

  /** Starts a run, does the work, and ends the run as completed, or as failed with the error's message when it throws. */
  async withRun<T>(options: StartRunOptions, work: (run: RunWriter) => Promise<T> | T): Promise<T> {
    const run = await this.startRun(options);
    let result: T;
    try {
      result = await work(run);
    } catch (error) {
      // The work's own error is the one to throw.
      await run.end("failed", { reason: String(error) }).catch(() => undefined);
      throw error;
    }
    await run.end("completed");
    return result;
  }

  /** Reads a run by id or unique prefix of 8 characters or more. Throws RUN_NOT_FOUND, REF_AMBIGUOUS. */
  async getRun(runId: string, { signal }: CallSettings = {}): Promise<Run> {
    const { run } = await this.#connection.call(
      ({ tracker }) => unary(tracker.getRun.bind(tracker), { runId }, { signal }),
      signal,
    );
    if (run === undefined) throw new PipekitError("INTERNAL", "The daemon answered without a run.");
    return run;
  }

  /** The runs, newest first, without `series`, `params` and `artifacts`. Pages as it is read. */
  async *listRuns({
    state,
    nameContains = "",
    unfinished = false,
    group,
    signal,
  }: ListRunsOptions = {}): AsyncGenerator<Run> {
    const stateCode = state === undefined ? RunState.RUN_STATE_UNSPECIFIED : STATES[state];
    const ask = (pageToken: string) => {
      const request = { pageSize: 0, pageToken, state: stateCode, nameContains, unfinished, group };
      return this.#connection.call(
        ({ tracker }) => unary(tracker.listRuns.bind(tracker), request, { signal }),
        signal,
      );
    };
    for await (const page of pages(ask)) yield* page.runs;
  }

  /** Streams the series of a run as they come; a long series comes in several parts. Throws RUN_NOT_FOUND. */
  readMetrics(runId: string, query: MetricsQuery = {}): AsyncGenerator<MetricSeries> {
    return readMetrics(this.#connection, runId, query);
  }

  /** Reads the series of a run whole. Throws RUN_NOT_FOUND. */
  async readSeries(runId: string, query: MetricsQuery = {}): Promise<MetricSeries[]> {
    return mergeSeries(this.readMetrics(runId, query));
  }

  /**
   * The series of a run as they are, thinned out to `maxPoints` a key, then every point that is journaled since, at most
   * 20 times a second. Over a restart of the daemon it begins anew: `restart` tells. Ends by leaving the loop, or by
   * throwing the signal's reason. Throws RUN_NOT_FOUND, REF_AMBIGUOUS, RUN_PRUNED, INVALID_ARGUMENT (`maxPoints` below 4),
   * PROTOCOL_MISMATCH (the daemon is too old).
   */
  watchMetrics(runId: string, query: WatchMetricsQuery = {}): AsyncGenerator<MetricUpdate> {
    return watchMetrics(this.#connection, runId, query);
  }

  /**
   * The runs as they are, then each again when it changes (default: those that run or are not delivered). Goes on over
   * restarts of the daemon. Ends by leaving the loop, or by throwing the signal's reason.
   */
  async *watchRuns(runIds: readonly string[] = [], { signal }: CallSettings = {}): AsyncGenerator<Run> {
    const open = () => this.#connection.services.tracker.watchRuns({ runIds: [...runIds] });
    for await (const { run } of resuming(this.#connection, open, signal)) if (run !== undefined) yield run;
  }

  /** How far each sink of a run is. Throws RUN_NOT_FOUND. */
  sinkStatus(runId: string, { signal }: CallSettings = {}): Promise<SinkReport> {
    return this.#connection.call(
      ({ tracker }) => unary(tracker.sinkStatus.bind(tracker), { runId }, { signal }),
      signal,
    );
  }

  /** Composed Hydra configs. */
  get configs(): Configs {
    return new Configs(this.#connection);
  }

  /** Back-fill, dead letters, pruning. */
  get delivery(): DeliveryCalls {
    return new DeliveryCalls(this.#connection);
  }

  /** Who asked the daemon for what. */
  get audit(): AuditCalls {
    return new AuditCalls(this.#connection);
  }

  /** A registry by its spec, such as `local:/srv/models`; by default the one in the daemon's state folder. */
  registry(spec = ""): Registry {
    return new Registry(this.#connection, spec);
  }

  /** The data sets of the DVC repository that a folder of the daemon's host is, or lies in. */
  datasets(repo = "."): Datasets {
    return new Datasets(this.#connection, repo);
  }

  /** How the daemon is. */
  status({ signal }: CallSettings = {}): Promise<StatusResponse> {
    return this.#connection.call(({ daemon }) => unary(daemon.status.bind(daemon), {}, { signal }), signal);
  }

  /**
   * Writes a backup of the state folder: a new folder, or a file when the path ends in `.tar`; absolute, on the daemon's host.
   * Throws INVALID_ARGUMENT, STORAGE_FULL, CORRUPT_JOURNAL; then nothing is left there.
   */
  backup(path: string, options: BackupOptions = {}): Promise<BackupMade> {
    return makeBackup(this.#connection, path, options);
  }

  /** Stops the daemon, after waiting at most so many seconds for delivery. Returns the points not delivered yet. */
  async shutdown({
    waitForDeliveryS = 0,
    signal,
  }: CallSettings & { readonly waitForDeliveryS?: number } = {}) {
    const { daemon } = this.#connection.services;
    const answer = await unary(daemon.shutdown.bind(daemon), { waitForDeliveryS }, { signal });
    return answer.pointsPending;
  }

  /** Lets go of the daemon. Runs that are not ended stay running; what they have not flushed is lost. */
  close(): void {
    for (const writer of this.#writers) writer.close();
    this.#connection.close();
  }

  /** Closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
