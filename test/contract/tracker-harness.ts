/**
 * What the tracker contract suite asks of a tool that is set up for it. `describeTrackerContract(name, makeHarness)`
 * (tracker-contract.ts) runs every part of the suite; what a harness does not declare is not asked of it.
 *
 * A harness must give `kind`, `spec`, `connect`, `failNext`, `heal`, `show`, `close`. Differences of the tools are data:
 * the adapter's Properties, and the optional members below. A tool behind HTTP declares `faults: HTTP_FAULTS`, puts
 * startFakeHttp(upstream) between adapter and tool, and makes the faults by httpFault() of http-faults.ts; a tool that
 * is a folder declares what it can make of DISK_FAULTS, or `[]`.
 */

import type { AdapterContext, SinkRecord, TrackerAdapter, TrackerKind } from "@pipekit/adapters/tracker";

/**
 * How the next request that writes fails; the four that a harness without `faults` must be able to make.
 * - `unavailable`: the tool answers that it cannot now, and names 7 seconds.
 * - `reset`: the connection closes before the tool has the request.
 * - `answerLost`: the tool carries it out, and the connection closes before the answer.
 * - `hang`: no answer ever.
 */
export type NetworkFault = "unavailable" | "reset" | "answerLost" | "hang";

/**
 * More ways for one request to fail.
 * - `rateLimited`: 429 without a time. `rateLimitedFor`: 429, 7 seconds. `rateLimitedUntil`: 429, a date 7 seconds ahead.
 * - `serverError`: 500 in the tool's format. `htmlPage`: a web page with 200. `htmlError`: a web page with 502.
 * - `redirect`: 302 to another path of the tool. `redirectAway`: 302 to `foreign`.
 * - `tooLarge`: 413, once. `unauthorized`: 401, once.
 * - `resetRequest`, `resetAnswer`: the connection is reset in the middle of the body, when the tool has none of it; in
 *   the middle of the answer, when it has all of it.
 * - `truncated`: carried out, and half of the answer's JSON comes as a whole answer.
 * - `slow`: carried out, and the answer trickles. `halfAccepted`: the first half of the items is carried out, then 500.
 * - `refusal`: the tool's own answer that it will never take the request.
 */
export type HttpFault =
  | NetworkFault
  | "rateLimited"
  | "rateLimitedFor"
  | "rateLimitedUntil"
  | "serverError"
  | "htmlPage"
  | "htmlError"
  | "redirect"
  | "redirectAway"
  | "tooLarge"
  | "unauthorized"
  | "resetRequest"
  | "resetAnswer"
  | "truncated"
  | "slow"
  | "halfAccepted"
  | "refusal";

/** How files fail from now on until `heal`: no room (ENOSPC or the like), a folder that cannot be written. */
export type DiskFault = "diskFull" | "readOnly";

export type ToolFault = HttpFault | DiskFault;

export const NETWORK_FAULTS: readonly NetworkFault[] = ["unavailable", "reset", "answerLost", "hang"];
export const HTTP_FAULTS: readonly HttpFault[] = [
  ...NETWORK_FAULTS,
  "rateLimited",
  "rateLimitedFor",
  "rateLimitedUntil",
  "serverError",
  "htmlPage",
  "htmlError",
  "redirect",
  "redirectAway",
  "tooLarge",
  "unauthorized",
  "resetRequest",
  "resetAnswer",
  "truncated",
  "slow",
  "halfAccepted",
  "refusal",
];
export const DISK_FAULTS: readonly DiskFault[] = ["diskFull", "readOnly"];

/** A point as the tool shows it. */
export interface ShownPoint {
  /** As the tool spells it. */
  readonly key: string;
  /** What a person sees as the step: of an x-axis of our own where the tool's steps must rise. */
  readonly step: number;
  readonly value: number;
  /** Milliseconds; see `timeResolutionMs`. */
  readonly timeMs: number;
}

/** What the tool shows of a run. */
export interface ShownRun {
  readonly points: readonly ShownPoint[];
  /** Without what the tool or the adapter adds of its own. */
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly state: "running" | "completed" | "failed" | "killed";
}

/** One tool, set up for the suite. */
export interface TrackerHarness {
  readonly kind: TrackerKind;
  /** Canonical spec of the destination, behind what makes the faults. */
  readonly spec: string;
  /** What the daemon would give; no environment and no home when absent. The environment also goes to a real daemon. */
  readonly context?: AdapterContext;
  /** A new adapter for the same destination, as after a restart of the daemon. */
  connect(): TrackerAdapter;
  /** What `failNext` can make. NETWORK_FAULTS when absent. */
  readonly faults?: readonly ToolFault[];
  /**
   * Fails the next request of this kind; called again before it happened, the one after it. A request that `finish`
   * makes is a write.
   */
  failNext(what: "create" | "write", fault: ToolFault): void;
  /** Fails the next request of `count`. */
  failNextRead?(fault: ToolFault): void;
  /** Fails the next request that carries a file of an artifact. */
  failNextUpload?(fault: ToolFault): void;
  /** Forgets faults that have not happened, ends those that last, and undoes `limitBody` and `swallow`. */
  heal(): void;
  /** From now on a request with a larger body, bytes, gets 413. Only where a request takes several records. */
  limitBody?(bytes: number): void;
  /** From now on writes succeed after `delayMs` without the tool, so that many points cost little. */
  swallow?(delayMs: number): void;
  /** From now on the tool does not accept the credentials that the spec's references give. */
  expireCredentials?(): void;
  /** Puts credentials that the tool accepts where the references find them. */
  renewCredentials?(): void;
  /** Strings that must never be in a memo, note, reason or address. */
  readonly secrets?: () => readonly string[];
  /** Requests that came to the host to which `redirectAway` points. */
  readonly foreign?: () => readonly unknown[];
  /** A record that the tool itself refuses for good; absent when it refuses nothing. */
  readonly refused?: SinkRecord;
  /** All runs of the destination that the tool shows for our run id. */
  show(runId: string): Promise<readonly ShownRun[]>;
  /** True when `points` of a key are in the order in which the tool got them. */
  readonly ordered?: boolean;
  /** Points of the runs so far in the order in which the tool took them, repeats and all, where only the wire tells. */
  arrivals?(runId: string): Promise<readonly Pick<ShownPoint, "key" | "step" | "value">[]>;
  /** A shown time is less than this away from the logged one. 1 when absent; Infinity when the tool shows no times. */
  readonly timeResolutionMs?: number;
  /** What `remoteUrl` looks like; http or https when absent. */
  readonly remoteUrl?: RegExp;
  /** What a NaN and the infinities are shown as, where Properties say `replaced`. */
  readonly shownNonFinite?: (value: number) => number;
  /** Artifact files by their path at the tool, as text, and the URI of an artifact that has one by the artifact's name. */
  artifacts?(runId: string): Promise<Readonly<Record<string, string>>>;
  /** States that the tool cannot show, by the one that it shows instead. */
  readonly shownState?: Partial<Readonly<Record<ShownRun["state"], ShownRun["state"]>>>;
  close(): Promise<void>;
}

export const NO_CONTEXT: AdapterContext = { env: {}, home: "/nonexistent", log: () => {} };
