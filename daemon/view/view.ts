/** What people look at: runs, models and tags, as documents of the editor protocol, kept up to date from the daemon. */
import type { Client } from "@pipekit/experiment";
import type {
  DaemonDocument,
  EditorMethod,
  EditorNotification,
  EditorNotifications,
  EditorParams,
  EditorResults,
  ModelBrief,
  RunBrief,
  TagMoveDocument,
} from "@pipekit/proto/editor";

/** Stops something that was begun. */
export type Stop = () => void;

/** The way to the daemon: looked for on demand, kept over its restarts, never a reason to fail. */
export interface DaemonLink {
  /** How it is now. */
  readonly status: DaemonDocument;
  onStatus(changed: (status: DaemonDocument) => void): Stop;
  /** The client, connected; starts the daemon where that is allowed. Throws what `connect` throws, or the signal's reason. */
  client(signal?: AbortSignal): Promise<Client>;
}

/** Every run, in memory; answered without a call. Filled when it is first asked, and kept up to date from then on. */
export interface RunIndex {
  /** Resolves once it was filled. Throws what `DaemonLink.client` throws. */
  ready(signal?: AbortSignal): Promise<void>;
  readonly size: number;
  get(runId: string): RunBrief | undefined;
  /** Newest first; whose id begins with the text, or whose name contains it, in any case. */
  find(text: string, limit: number): readonly RunBrief[];
  /** The newest runs of a name. */
  named(name: string, limit: number): readonly RunBrief[];
  onChange(changed: (runs: readonly RunBrief[]) => void): Stop;
}

/** Every model and tag of one registry, in memory. Looked at again every second or so while it is in use. */
export interface ModelIndex {
  /** Spec of the registry; empty for the daemon's own. */
  readonly registry: string;
  ready(signal?: AbortSignal): Promise<void>;
  /** True once models and tags were read; false again never: what was read stays while the daemon is away. */
  readonly filled: boolean;
  /** When it was last known to be true, Unix microseconds. */
  readonly readAtUs: number;
  readonly size: number;
  tags(): readonly TagMoveDocument[];
  tag(name: string): TagMoveDocument | undefined;
  /** By hash, or a prefix of 8 characters or more that only one model has. */
  model(hash: string): ModelBrief | undefined;
  /** Newest first; whose hash begins with the text, or whose tags or operator contain it. */
  find(text: string, limit: number): readonly ModelBrief[];
  /** Reads it anew now. */
  refresh(signal?: AbortSignal): Promise<void>;
  onChange(changed: (moves: readonly TagMoveDocument[]) => void): Stop;
}

/** Takes what is told without being asked. */
export type Notify = <N extends EditorNotification>(method: N, params: EditorNotifications[N]) => void;

/** One person's look: its requests, and what is told to it. */
export interface ViewSession {
  /**
   * Answers a request of the editor protocol. `params` come from outside and are checked. Throws PipekitError:
   * INVALID_ARGUMENT (names the field), what the daemon's call throws, DAEMON_UNAVAILABLE, PROTOCOL_MISMATCH.
   */
  request(method: string, params: unknown, signal?: AbortSignal): Promise<unknown>;
  /** Begins `pipekit/runStatus`, `pipekit/tagMoved` (of registries that were asked for) and `pipekit/daemonStatus`. */
  watch(): void;
  close(): void;
}

export interface View {
  readonly link: DaemonLink;
  readonly runs: RunIndex;
  /** The index of a registry, by its spec. */
  models(registry: string): ModelIndex;
  /** As a session's, for callers within. */
  ask<M extends EditorMethod>(
    method: M,
    params: EditorParams<M>,
    signal?: AbortSignal,
  ): Promise<EditorResults[M]>;
  session(notify: Notify): ViewSession;
  close(): void;
}

/** How to open it. */
export interface ViewOptions {
  /** As in `connect`. */
  readonly stateFolder?: string | undefined;
  readonly endpoint?: string | undefined;
  /** Whether a daemon is started where none answers. Default true. */
  readonly start?: boolean | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Whether promote, rollback and redrive are allowed. Default true. */
  readonly mayChange?: boolean | undefined;
}
