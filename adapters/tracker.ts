/**
 * The seam between delivery and the trackers: an adapter turns batches of records into one tool's protocol.
 *
 * An adapter knows neither gRPC nor the journal, keeps no retry timers and drops nothing: it says what became of
 * a batch, and delivery decides. Differences between tools are data (Properties), not branches in delivery.
 */

/** A fact to deliver, in journal order. */
export type SinkRecord =
  | {
      readonly kind: "point";
      readonly key: string;
      readonly step: number;
      readonly value: number;
      readonly timeUs: number;
    }
  | { readonly kind: "params"; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: "tags"; readonly tags: Readonly<Record<string, string>> }
  | {
      readonly kind: "artifact";
      readonly name: string;
      readonly files: readonly SinkFile[];
      readonly uri: string;
    };

/** A file of an artifact: `path` is relative to the artifact (empty when it is a single file), `localPath` readable now. */
export interface SinkFile {
  readonly path: string;
  readonly localPath: string;
  readonly size: number;
  readonly sha256: string;
}

/** The run that a sink receives. Times are unix microseconds. */
export interface SinkRun {
  readonly runId: string;
  readonly name: string;
  readonly pipelineHash: string;
  readonly configJson: string;
  readonly startedAtUs: number;
  readonly host: string;
  readonly client: string;
  readonly tags: Readonly<Record<string, string>>;
  /** True when the run went on after an end: where the tool shows that end, `open` makes it show a running run again. */
  readonly resumed?: boolean;
}

/** How a run ended. */
export interface SinkEnd {
  readonly state: "completed" | "failed";
  readonly reason: string;
  readonly endedAtUs: number;
}

/** What a tool takes and how it behaves. Delivery shapes batches and retries by it. */
export interface Properties {
  /** Most metric points in one batch. */
  readonly maxPoints: number;
  /** Most records of any kind in one batch. */
  readonly maxRecords: number;
  /** Rough limit on the encoded size of one batch, bytes. */
  readonly maxBytes: number;
  /** Requests per second to one endpoint with one credential; Infinity when unlimited. */
  readonly requestsPerSecond: number;
  /** True when a step must be larger than the one before. */
  readonly monotonicSteps: boolean;
  /** Whether the tool keeps NaN and infinities. */
  readonly nonFinite: "kept" | "replaced" | "refused";
  /** True when a batch sent twice, with whatever memo, is shown once; else it is after an `open` with the memo of before. */
  readonly idempotentReplay: boolean;
  /** False when a second value of one key and step replaces the first. */
  readonly keepsEqualSteps: boolean;
}

/**
 * What became of a batch.
 * - `ok`: all of it is durable in the tool.
 * - `partial`: the first `accepted` records are; `rest` says what became of the others.
 * - `retry`: none of it is known to be; try again, after `afterMs` when the tool named a time.
 * - `permanent`: the tool will never take these records (all of the batch when `rejected` is absent, else the
 *   records at these indices while the others were taken).
 */
export type SendResult =
  | { readonly status: "ok" }
  | { readonly status: "partial"; readonly accepted: number; readonly rest: RetryResult | PermanentResult }
  | RetryResult
  | PermanentResult;

export interface RetryResult {
  readonly status: "retry";
  /** One sentence without secrets. */
  readonly reason: string;
  readonly afterMs?: number;
}

export interface PermanentResult {
  readonly status: "permanent";
  /** One sentence without secrets. */
  readonly reason: string;
  /** Indices into the batch as it was sent, also when this is the rest of a `partial`. */
  readonly rejected?: readonly number[];
}

/** What an adapter wants kept with the cursor, such as the tool's run id. JSON, opaque to delivery. */
export type AdapterMemo = Readonly<Record<string, unknown>>;

/** What an adapter tells when it has opened a run. */
export type OpenResult =
  | {
      readonly status: "ok";
      readonly remoteId: string;
      readonly remoteUrl: string;
      readonly memo: AdapterMemo;
    }
  | RetryResult
  | PermanentResult;

/** Points that the tool shows for the run. */
export interface SinkCount {
  /** Sum over all keys. */
  readonly points: number;
  /** Our key to the number of points shown; only for keys that were asked for. */
  readonly byKey: Readonly<Record<string, number>>;
}

/** One run at one tool. Calls never overlap; every call ends soon after `signal` aborts. Calls never throw for a fault of the tool. */
export interface TrackerAdapter {
  readonly properties: Properties;
  /** Finds or creates the run in the tool. Repeating it never makes a second one. `memo` is what an earlier open or send left. */
  open(run: SinkRun, memo: AdapterMemo | undefined, signal: AbortSignal): Promise<OpenResult>;
  send(batch: readonly SinkRecord[], signal: AbortSignal): Promise<SendResult>;
  /** Marks the run as ended. Called after the last batch; repeating it is harmless. */
  finish(end: SinkEnd, signal: AbortSignal): Promise<SendResult>;
  /** Counts what the tool shows, for the reconciliation; undefined when the tool cannot tell or does not answer. */
  count(keys: readonly string[], signal: AbortSignal): Promise<SinkCount | undefined>;
  /**
   * What must be kept with the cursor from now on, such as lines or bytes written; undefined when nothing changed since
   * the last call. Delivery asks after each answer and saves it in one transaction with the cursor, so that the next
   * `open` gets the memo of exactly the records that are settled: an adapter that is not `idempotentReplay` then
   * takes back or overwrites what it wrote beyond it.
   */
  takeMemo(): AdapterMemo | undefined;
  /** Renamings and other facts that a person should know once, one sentence each; each is returned once. */
  takeNotes(): readonly string[];
  /** Frees connections. */
  close(): Promise<void>;
}

/** What an adapter may ask of its host. */
export interface AdapterContext {
  /** Environment for credential references such as `env:NAME`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Home folder, for files such as `~/.mlflow/credentials`. */
  readonly home: string;
  /** Diagnostics; never secrets. */
  readonly log: (level: "debug" | "info" | "warn", message: string, fields?: Record<string, unknown>) => void;
}

/** A kind of tracker. */
export interface TrackerKind {
  /** Schemes of its specs, without `:`, such as `mlflow` and `mlflow+http`. */
  readonly schemes: readonly string[];
  /**
   * Checks a spec and returns it in canonical form (one spelling for one destination, no secrets in it).
   * Throws SpecError.
   */
  parse(spec: string): string;
  /** Endpoint and credential reference of a spec: sinks that share it share throttle and breaker. */
  throttleKey(spec: string): string;
  /** Makes the adapter of one run. `spec` is canonical. */
  connect(spec: string, context: AdapterContext): TrackerAdapter;
}

/** A spec that cannot be understood. The message is one sentence that names the fault; `mend` shows a right spec. */
export class SpecError extends Error {
  readonly mend: string;
  constructor(message: string, mend: string) {
    super(message);
    this.name = "SpecError";
    this.mend = mend;
  }
}
