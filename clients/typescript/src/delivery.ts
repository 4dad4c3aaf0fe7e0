/** What a person or a script does about delivery: back-fill, dead letters, pruning. */
import type {
  DeadLetter,
  ImportRunsResponse,
  ListDeadLettersResponse,
  PruneResponse,
  RedriveDeadLettersResponse,
  SyncResponse,
} from "@pipekit/proto";
import { type CallSettings, unary } from "./calls.ts";
import type { Connection } from "./connection.ts";
import { absoluteSource } from "./import-source.ts";
import { finite, resuming } from "./streams.ts";

/** What to bring where. */
export interface SyncOptions extends CallSettings {
  /** Run ids or unique prefixes; default: all runs, of the state folder when one is given. */
  readonly runIds?: readonly string[] | undefined;
  /** Tracker specs to add; default none: then the sinks that the runs have are waited for. */
  readonly sinks?: readonly string[] | undefined;
  /** A tracker named in the daemon's config. */
  readonly tracker?: string | undefined;
  /** Absolute path of another state folder whose runs are taken in first. */
  readonly stateFolder?: string | undefined;
  /** Deliver its runs to the sinks that they were started with, too. */
  readonly keepSinks?: boolean | undefined;
  /** Go on with what is journaled from now on. */
  readonly follow?: boolean | undefined;
}

/** Which runs of another tool to bring here, and where on from here. */
export interface ImportRunsOptions extends CallSettings {
  /** Tracker specs for the runs; default none: then the journal alone keeps them. */
  readonly sinks?: readonly string[] | undefined;
  /** A tracker named in the daemon's config. */
  readonly tracker?: string | undefined;
  /** Only tell which runs there are. */
  readonly dryRun?: boolean | undefined;
  /** Only runs with one of these names or ids; default all. */
  readonly only?: readonly string[] | undefined;
}

/** Which dead letters. */
export interface DeadLetterQuery extends CallSettings {
  /** Run id or unique prefix; default all runs. */
  readonly runId?: string | undefined;
  /** Only those of this sink. */
  readonly sink?: string | undefined;
  /** Only those with a larger id. Default 0: from the oldest. */
  readonly afterId?: number | undefined;
}

/** A dead letter with what is in it: a line of text a record, the first 20. */
export type ReadDeadLetter = DeadLetter & { readonly lines: readonly string[] };

/** What to forget. */
export interface PruneOptions extends CallSettings {
  /** Only runs that ended at least so long ago, seconds. Default 0. */
  readonly olderThanS?: number | undefined;
  /** Only these runs; default all. */
  readonly runIds?: readonly string[] | undefined;
  /** Change something; by default the answer only tells what would go. */
  readonly apply?: boolean | undefined;
  /** Runs without any sink may go too. */
  readonly withoutSinks?: boolean | undefined;
}

/** Delivery of journaled runs to their sinks, as the daemon at a connection does it. */
export class DeliveryCalls {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Adds sinks to runs and tells how far they are, until they have all that is journaled; over restarts of the daemon.
   * Leaving the loop stops the telling only. Throws RUN_NOT_FOUND, REF_AMBIGUOUS, INVALID_TRACKER_SPEC,
   * INVALID_ARGUMENT, CORRUPT_JOURNAL, STORAGE_FULL.
   */
  async *sync(options: SyncOptions = {}): AsyncGenerator<SyncResponse> {
    const request = {
      runIds: [...(options.runIds ?? [])],
      sinks: [...(options.sinks ?? [])],
      tracker: options.tracker ?? "",
      stateFolder: options.stateFolder ?? "",
      keepSinks: options.keepSinks ?? false,
      follow: options.follow ?? false,
    };
    // Repeating it is harmless: what was added stays added.
    const open = () => this.#connection.services.tracker.sync(request);
    for await (const progress of resuming(this.#connection, open, options.signal)) {
      yield progress;
      if (progress.done) return;
    }
  }

  /**
   * Brings runs that another tool keeps here: of a path, or a spec such as `mlflow+http://HOST:5000`, `sqlite:///FILE`. Tells
   * how far it is until it is done, over restarts of the daemon; doing it again doubles nothing. Leaving the loop stops it;
   * what was taken stays. Throws SOURCE_UNREADABLE, INVALID_ARGUMENT, INVALID_TRACKER_SPEC, STORAGE_FULL.
   */
  async *importRuns(source: string, options: ImportRunsOptions = {}): AsyncGenerator<ImportRunsResponse> {
    const request = {
      source: absoluteSource(source),
      sinks: [...(options.sinks ?? [])],
      tracker: options.tracker ?? "",
      dryRun: options.dryRun ?? false,
      only: [...(options.only ?? [])],
    };
    const open = () => this.#connection.services.tracker.importRuns(request);
    for await (const progress of resuming(this.#connection, open, options.signal)) {
      yield progress;
      if (progress.done) return;
    }
  }

  /** Dead letters, oldest first. Pages as it is read. Throws RUN_NOT_FOUND, REF_AMBIGUOUS. */
  async *deadLetters(query: DeadLetterQuery = {}): AsyncGenerator<DeadLetter> {
    const { runId = "", sink = "", signal } = query;
    let afterId = query.afterId ?? 0;
    let page: ListDeadLettersResponse;
    do {
      const request = { runId, sink, pageSize: 0, afterId, withRecords: false };
      page = await this.#connection.call(
        ({ tracker }) => unary(tracker.listDeadLetters.bind(tracker), request, { signal }),
        signal,
      );
      yield* page.deadLetters;
      afterId = page.deadLetters.at(-1)?.id ?? afterId;
    } while (page.more);
  }

  /** One dead letter with what is in it; undefined when there is none of this id. */
  async deadLetter(id: number, { signal }: CallSettings = {}): Promise<ReadDeadLetter | undefined> {
    const request = { runId: "", sink: "", pageSize: 1, afterId: id - 1, withRecords: true };
    const page = await this.#connection.call(
      ({ tracker }) => unary(tracker.listDeadLetters.bind(tracker), request, { signal }),
      signal,
    );
    const letter = page.deadLetters[0];
    return letter?.id === id ? { ...letter, lines: page.records[0]?.lines ?? [] } : undefined;
  }

  /** Sends dead letters once more: those of a run, or the given ones. Throws RUN_NOT_FOUND, INVALID_ARGUMENT. */
  redrive({
    runId = "",
    sink = "",
    ids = [],
    signal,
  }: Omit<DeadLetterQuery, "afterId"> & {
    readonly ids?: readonly number[] | undefined;
  }): Promise<RedriveDeadLettersResponse> {
    const request = { runId, sink, ids: [...ids] };
    return this.#connection.call(
      ({ tracker }) => unary(tracker.redriveDeadLetters.bind(tracker), request, { signal }),
      signal,
    );
  }

  /** Forgets delivered runs, or tells what would go: one answer a run, then the sums. Throws RUN_NOT_FOUND. */
  prune(options: PruneOptions = {}): AsyncGenerator<PruneResponse> {
    const request = {
      olderThanS: options.olderThanS ?? 0,
      runIds: [...(options.runIds ?? [])],
      apply: options.apply ?? false,
      withoutSinks: options.withoutSinks ?? false,
    };
    const open = () => this.#connection.services.daemon.prune(request);
    return finite(this.#connection, open, options.signal);
  }
}
