/**
 * The editor protocol: what is asked and told about runs and models in JSON, by every face that people look at. The
 * same methods go over the language server (custom requests and notifications named `pipekit/...`), over the page of
 * `pkx ui` (HTTP and server-sent events), and over the messages of VS Code's webview. docs/editor-protocol.md is its text.
 *
 * Times are Unix microseconds. Numbers that JSON has no name for stand as the strings "NaN", "Infinity", "-Infinity".
 */
import { z } from "zod";
import type { FailureCode } from "./failure.ts";

/** Raised when a client that knows the old messages would misread new ones; told in `pipekit/daemon`. */
export const EDITOR_PROTOCOL = 1;

const text = z.string().max(4096);
const runId = z.string().min(8).max(26);
const registry = text.default("");
const limit = z.number().int().min(1).max(1000).default(100);
const pageToken = text.default("");
const keys = z.array(z.string().max(1024)).max(1000).default([]);
const maxPoints = z.number().int().min(4).max(100_000).default(2000);

/** The params of every request, by method. `registry` is a registry spec; empty for the daemon's own. */
export const EDITOR_PARAMS = {
  /** How the daemon is, and the way to it. */
  "pipekit/daemon": z.strictObject({}),
  /** Runs, newest first. */
  "pipekit/runs": z.strictObject({
    state: z.enum(["running", "completed", "failed"]).optional(),
    nameContains: text.default(""),
    unfinished: z.boolean().default(false),
    limit,
    pageToken,
  }),
  /** One run, whole. */
  "pipekit/run": z.strictObject({ runId }),
  /** Series of a run, thinned out so that peaks stay; `keys` empty for all. */
  "pipekit/metrics": z.strictObject({
    runId,
    keys,
    fromStep: z.number().int().optional(),
    toStep: z.number().int().optional(),
    maxPoints,
  }),
  /** As `pipekit/metrics`, and then `pipekit/points` for what is logged since, until `pipekit/unfollow`. */
  "pipekit/follow": z.strictObject({ runId, keys, maxPoints }),
  "pipekit/unfollow": z.strictObject({ follow: z.string() }),
  /** What sinks refused for good, oldest first; `runId` empty for all runs. */
  "pipekit/deadLetters": z.strictObject({
    runId: z.union([z.literal(""), runId]).default(""),
    afterId: z.number().int().min(0).default(0),
    limit,
  }),
  /** Sends dead letters of a run once more. */
  "pipekit/redrive": z.strictObject({ runId, ids: z.array(z.number().int()).max(1000).default([]) }),
  /** Models, newest first. */
  "pipekit/models": z.strictObject({ registry, contains: text.default(""), limit, pageToken }),
  /** One model, whole. */
  "pipekit/model": z.strictObject({ registry, ref: text.min(1) }),
  /** Names that lead to a model, each with its last move. */
  "pipekit/tags": z.strictObject({ registry }),
  /** The moves of a tag, newest first. */
  "pipekit/tagHistory": z.strictObject({ registry, name: text.min(1), limit, pageToken }),
  /** Which model a ref stands for now. */
  "pipekit/resolve": z.strictObject({ registry, ref: text.min(1) }),
  /** Points a tag to a model. `expectedHash`: what the person saw it point to; "" when it was not there. The move is refused when that is no longer so. */
  "pipekit/promote": z.strictObject({
    registry,
    ref: text.min(1),
    tag: text.min(1),
    expectedHash: z.string().max(64),
    reason: text.default(""),
  }),
  /** Points a tag back to where it pointed `steps` moves ago. `expectedHash` as above. */
  "pipekit/rollback": z.strictObject({
    registry,
    tag: text.min(1),
    expectedHash: z.string().max(64),
    steps: z.number().int().min(1).max(1000).default(1),
    reason: text.default(""),
  }),
} as const;

export type EditorMethod = keyof typeof EDITOR_PARAMS;
/** What a caller gives; what has a default may be left out. */
export type EditorParams<M extends EditorMethod> = z.input<(typeof EDITOR_PARAMS)[M]>;

/** A value of a metric. */
export type JsonNumber = number | "NaN" | "Infinity" | "-Infinity";

export type RunStateName = "running" | "completed" | "failed" | "unknown";
export type SinkStateName = "idle" | "sending" | "retrying" | "done" | "refused" | "unknown";

export interface SinkDocument {
  readonly spec: string;
  readonly state: SinkStateName;
  readonly pointsSent: number;
  readonly pointsPending: number;
  readonly pointsDead: number;
  /** One sentence; empty when there was no failure since the last success. */
  readonly lastError: string;
  /** When it is tried next; 0 when no try is due. */
  readonly retryAtUs: number;
  readonly remoteId: string;
  /** Where a person sees the run in the tool; an http(s) address, or empty. */
  readonly remoteUrl: string;
  /** When the oldest record that it lacks was journaled; 0 when it has all. */
  readonly pendingSinceUs: number;
  readonly notes: readonly string[];
}

/** A run as lists show it. */
export interface RunBrief {
  readonly runId: string;
  readonly name: string;
  readonly state: RunStateName;
  /** Why it failed; empty otherwise. */
  readonly reason: string;
  readonly startedAtUs: number;
  /** 0 while it runs. */
  readonly endedAtUs: number;
  readonly points: number;
  readonly tags: Readonly<{ [name: string]: string }>;
  readonly sinks: readonly SinkDocument[];
  /** The last value of the metric that a person looks at first (a loss, then a score); absent when there is none, or in lists when it was not read. */
  readonly headline?: { readonly key: string; readonly step: number; readonly value: JsonNumber };
}

export interface SeriesDocument {
  readonly key: string;
  readonly points: number;
  readonly lastStep: number;
  readonly lastValue: JsonNumber;
  readonly minValue: JsonNumber;
  readonly maxValue: JsonNumber;
}

export interface ArtifactDocument {
  readonly name: string;
  readonly uri: string;
  readonly files: readonly { readonly path: string; readonly sha256: string; readonly size: number }[];
}

/** A run, whole. */
export interface RunDocument extends RunBrief {
  readonly pipelineHash: string;
  readonly config: unknown;
  readonly params: Readonly<{ [key: string]: string }>;
  readonly host: string;
  readonly pid: number;
  readonly client: string;
  readonly series: readonly SeriesDocument[];
  readonly artifacts: readonly ArtifactDocument[];
}

/** Points of one metric in the order in which they were journaled; the arrays have one length. */
export interface SeriesPoints {
  readonly key: string;
  readonly steps: readonly number[];
  readonly values: readonly JsonNumber[];
  readonly timesUs: readonly number[];
  /** Points of the key in the range asked for, before they were thinned out. */
  readonly pointsInRange: number;
}

export interface DeadLetterDocument {
  readonly id: number;
  readonly runId: string;
  readonly spec: string;
  readonly kind: string;
  readonly points: number;
  readonly reason: string;
  readonly atUs: number;
}

export interface TagMoveDocument {
  readonly name: string;
  readonly seq: number;
  /** Where it points since; empty when the move deleted the tag. */
  readonly hash: string;
  readonly previousHash: string;
  readonly actor: string;
  /** Who it was as the daemon knows it; absent where it does not know. */
  readonly principal?: string;
  readonly atUs: number;
  readonly reason: string;
}

/** A model as lists show it. */
export interface ModelBrief {
  readonly hash: string;
  /** `module.Class` of the operator. */
  readonly operator: string;
  readonly tags: readonly string[];
  readonly weightsSize: number;
  readonly hasWeights: boolean;
  readonly weightsFormat: string;
  readonly createdAtUs: number;
  readonly runId: string;
}

/** A model, whole. */
export interface ModelDocument extends ModelBrief {
  readonly metadata: unknown;
  readonly operatorState: unknown;
  readonly trainingConfig: unknown;
  readonly datasetHash: string;
  readonly weightsSha256: string;
}

export interface DaemonDocument {
  /** `connecting` at first; `unavailable`: looked for, not found; `incompatible`: of another protocol version. */
  readonly state: "connecting" | "connected" | "unavailable" | "incompatible";
  /** One sentence for a person when not connected, and what to do. */
  readonly message: string;
  readonly mend: string;
  readonly version: string;
  /** Where it listens. */
  readonly endpoint: string;
  readonly editorProtocol: number;
  /** Whoever asks may promote, roll back and re-drive. */
  readonly mayChange: boolean;
}

/** The answer to every request, by method. */
export interface EditorResults {
  "pipekit/daemon": DaemonDocument;
  "pipekit/runs": {
    readonly runs: readonly RunBrief[];
    readonly nextPageToken: string;
    readonly total: number;
  };
  "pipekit/run": RunDocument;
  "pipekit/metrics": { readonly runId: string; readonly series: readonly SeriesPoints[] };
  "pipekit/follow": {
    readonly follow: string;
    readonly runId: string;
    readonly series: readonly SeriesPoints[];
  };
  "pipekit/unfollow": Record<string, never>;
  "pipekit/deadLetters": { readonly deadLetters: readonly DeadLetterDocument[]; readonly more: boolean };
  "pipekit/redrive": { readonly taken: number; readonly refused: number; readonly waiting: number };
  "pipekit/models": {
    readonly models: readonly ModelBrief[];
    readonly nextPageToken: string;
    readonly total: number;
  };
  "pipekit/model": ModelDocument;
  "pipekit/tags": { readonly tags: readonly TagMoveDocument[] };
  "pipekit/tagHistory": { readonly moves: readonly TagMoveDocument[]; readonly nextPageToken: string };
  "pipekit/resolve": { readonly hash: string; readonly move?: TagMoveDocument };
  "pipekit/promote": { readonly move: TagMoveDocument };
  "pipekit/rollback": { readonly move: TagMoveDocument };
}

/** What is told without being asked. */
export interface EditorNotifications {
  /** Runs that are new or have changed; each at most 10 times a second. With `all`, the first one: forget what you knew. */
  "pipekit/runStatus": { readonly runs: readonly RunBrief[]; readonly all: boolean };
  /** Points of a followed run. `restart`: the series stand here anew and whole; forget the earlier points of `follow`. */
  "pipekit/points": {
    readonly follow: string;
    readonly runId: string;
    readonly series: readonly SeriesPoints[];
    readonly restart: boolean;
  };
  /** Tags of a registry have moved. */
  "pipekit/tagMoved": { readonly registry: string; readonly moves: readonly TagMoveDocument[] };
  "pipekit/daemonStatus": DaemonDocument;
}

export type EditorNotification = keyof EditorNotifications;

/** How a failure stands in JSON: as `data` of a JSON-RPC error, and as `error` of an HTTP answer. */
export interface EditorFailure {
  readonly code: FailureCode;
  readonly message: string;
  readonly field: string;
  readonly mend: string;
}
