import type { AdapterContext, TrackerKind } from "@pipekit/adapters/tracker";
import type { Logger } from "pino";
import type { DeadLetterEntry, Journal, SinkEntry } from "../journal/journal.ts";
import { type Clock, sleep, systemClock } from "./clock.ts";
import { Endpoint } from "./endpoint.ts";
import { describeFault } from "./guard.ts";
import type { CrashPoint } from "./ledger.ts";
import { NOTHING_REDRIVEN, type Redriven, sumRedriven } from "./letters.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { SinkLoop } from "./loop.ts";
import type { DeliveryObserver, EndpointState } from "./observer.ts";
import type { SinkParts } from "./parts.ts";
import { letterLines } from "./redrive.ts";
import { TrackerKinds } from "./specs.ts";
import type { ContentPaths } from "./translate.ts";
import { Turns } from "./turns.ts";

/** Runs known to have nothing to deliver are remembered up to this number. */
const MAX_SINKLESS = 4096;

/** What delivery is made of. */
export interface DeliveryOptions {
  readonly journal: Journal;
  readonly content: ContentPaths;
  readonly kinds: readonly TrackerKind[];
  readonly context: AdapterContext;
  readonly log: Logger;
  readonly clock?: Clock;
  /** Numbers in [0, 1), for the jitter. */
  readonly random?: () => number;
  readonly limits?: Partial<Limits>;
  /** Called at named points of each batch; fault tests end the process there. */
  readonly crashpoint?: (name: CrashPoint) => void;
  readonly observer?: DeliveryObserver | undefined;
  /** Sends nothing: the folder is a copy, and another daemon delivers its runs. */
  readonly withheld?: boolean;
}

/** Brings journaled records to the sinks of their runs. */
export interface Delivery {
  /** Canonical forms of tracker specs, each once. Throws PipekitError INVALID_TRACKER_SPEC with field `sinks[i]`. */
  canonicalSpecs(specs: readonly string[]): string[];
  /** Goes on where the cursors stand. O(runs) with open sinks. */
  start(): Promise<void>;
  /** Aborts calls in flight and saves the cursors; resolves within `deadlineMs`, never waiting for a tool. */
  stop(deadlineMs: number): Promise<void>;
  /** Points journaled and not yet taken, summed over sinks. */
  pendingPoints(): Promise<number>;
  /**
   * Waits until every sink that is not refused has taken everything, at most `timeoutMs`. Resolves to the points
   * left; rejects with the signal's reason.
   */
  whenDelivered(timeoutMs: number, signal: AbortSignal): Promise<number>;
  /**
   * Adds sinks to a run, running or ended, and delivers to them from the start; those that it has go on where they are,
   * and one that refused the run is asked again at once. `specs` are canonical.
   * Throws PipekitError RUN_NOT_FOUND, INVALID_ARGUMENT (the run is pruned), STORAGE_FULL.
   */
  addSinks(runId: string, specs: readonly string[]): Promise<void>;
  /**
   * Sends dead letters once more, each in its sink's own order of calls. Resolves when each is taken or refused again,
   * or when its sink cannot be reached now; then it is tried on until the daemon stops.
   */
  redrive(letters: readonly DeadLetterEntry[]): Promise<Redriven>;
  /** What is in a dead letter, one line of text a record, at most `most`. */
  letterLines(letter: DeadLetterEntry, most: number): Promise<string[]>;
  /** The endpoints that open sinks share. */
  endpoints(): readonly EndpointState[];
  /** Calls back with the run id whenever what the journal knows of a sink has changed; returns the stop function. */
  onChange(listener: (runId: string) => void): () => void;
}

/** Makes the delivery. Nothing happens before `start`. */
export function createDelivery(options: DeliveryOptions): Delivery {
  return new RunDelivery(options);
}

class RunDelivery implements Delivery {
  readonly #parts: SinkParts;
  readonly #kinds: TrackerKinds;
  readonly #loops = new Map<string, Map<string, { loop: SinkLoop; ended: Promise<void> }>>();
  readonly #endpoints = new Map<string, { kind: string; endpoint: Endpoint; users: number }>();
  readonly #busy = new Set<object>();
  /** Runs whose sinks are being looked up, one look after another. */
  readonly #discovering = new Map<string, Promise<void>>();
  readonly #sinkless = new Set<string>();
  readonly #listeners = new Set<(runId: string) => void>();
  readonly #quietListeners = new Set<() => void>();
  readonly #unsubscribes: (() => void)[] = [];
  readonly #withheld: boolean;
  #stopped = false;

  constructor(options: DeliveryOptions) {
    const { journal, content, context, log, withheld = false } = options;
    this.#withheld = withheld;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#kinds = new TrackerKinds(options.kinds);
    this.#parts = {
      journal,
      content,
      context,
      log,
      limits,
      clock: options.clock ?? systemClock,
      random: options.random ?? Math.random,
      crashpoint: options.crashpoint ?? (() => {}),
      observer: options.observer,
      reads: new Turns(limits.concurrentReads),
      onSaved: (runId) => this.#tellChange(runId),
      onQuiet: (sink, quiet) => this.#onQuiet(sink, quiet),
    };
  }

  canonicalSpecs(specs: readonly string[]): string[] {
    return this.#kinds.canonical(specs);
  }

  async start(): Promise<void> {
    this.#unsubscribes.push(
      this.#parts.journal.onResume((runIds) => this.#onResume(runIds)),
      this.#parts.journal.onCommit((runIds) => this.#onCommit(runIds)),
    );
    for (const entry of await this.#parts.journal.openSinks()) this.#add(entry);
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true;
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    const sinks = [...this.#loops.values()].flatMap((bySpec) => [...bySpec.values()]);
    for (const { loop } of sinks) loop.stop();
    const deadline = new AbortController();
    const late = sleep(this.#parts.clock, deadlineMs, deadline.signal).catch(() => false);
    await Promise.race([Promise.all(sinks.map(({ ended }) => ended)), late]);
    deadline.abort();
  }

  async pendingPoints(): Promise<number> {
    return (await this.#parts.journal.totals()).pointsPending;
  }

  async whenDelivered(timeoutMs: number, signal: AbortSignal): Promise<number> {
    const { clock } = this.#parts;
    const until = clock.now() + timeoutMs;
    for (;;) {
      // A commit that is told already but not yet heard of is heard of by the time the journal answers.
      await this.pendingPoints();
      const left = until - clock.now();
      if (left <= 0 || (this.#busy.size === 0 && this.#discovering.size === 0)) return this.pendingPoints();
      await sleep(clock, left, signal, (wake) => {
        this.#quietListeners.add(wake);
        return () => this.#quietListeners.delete(wake);
      });
    }
  }

  endpoints(): readonly EndpointState[] {
    return [...this.#endpoints.values()].map(({ kind, endpoint: { isOpen } }) => ({ kind, isOpen }));
  }

  onChange(listener: (runId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #onCommit(runIds: ReadonlySet<string>): void {
    for (const runId of runIds) {
      const bySpec = this.#loops.get(runId);
      if (bySpec === undefined) {
        // A look that is under way sees this commit, or a loop that it starts does.
        if (!this.#discovering.has(runId)) void this.#discover(runId);
      } else for (const { loop } of bySpec.values()) loop.wake();
    }
  }

  /** Delivers again to the sinks that were done with a run, while others perhaps have loops still. */
  #onResume(runIds: ReadonlySet<string>): void {
    for (const runId of runIds) {
      this.#sinkless.delete(runId);
      void this.#discover(runId);
    }
  }

  async addSinks(runId: string, specs: readonly string[]): Promise<void> {
    if (specs.length === 0) return;
    await this.#parts.journal.addSinks(runId, specs);
    this.#tellChange(runId);
    await this.#takeUp(runId);
    const loops = this.#loops.get(runId);
    await Promise.all(specs.map((spec) => loops?.get(spec)?.loop.hurry()));
  }

  letterLines(letter: DeadLetterEntry, most: number): Promise<string[]> {
    return letterLines(this.#parts, letter, most);
  }

  async redrive(letters: readonly DeadLetterEntry[]): Promise<Redriven> {
    const bySink = Map.groupBy(letters, ({ runId, spec }) => `${runId} ${spec}`);
    return sumRedriven(await Promise.all([...bySink.values()].map((group) => this.#redriveAt(group))));
  }

  async #redriveAt(letters: readonly DeadLetterEntry[]): Promise<Redriven> {
    const [first] = letters;
    if (first === undefined) return NOTHING_REDRIVEN;
    const { runId, spec } = first;
    while (!this.#stopped) {
      const running = this.#loops.get(runId)?.get(spec);
      const outcome = running?.loop.redrive(letters);
      if (outcome !== undefined) return outcome;
      await running?.ended;
      await this.#takeUp(runId, spec);
      // A sink that nobody here can speak to keeps its letters.
      if (!this.#loops.get(runId)?.has(spec)) break;
    }
    return { ...NOTHING_REDRIVEN, waiting: letters.length };
  }

  /** Begins to deliver a run that is new here, or goes on. */
  async #discover(runId: string): Promise<void> {
    if (this.#sinkless.has(runId)) return;
    try {
      await this.#takeUp(runId);
      if (!this.#loops.has(runId)) this.#rememberSinkless(runId);
    } catch (error) {
      this.#parts.log.warn({ run: runId, fault: describeFault(error) }, "the sinks of a run were not read");
    }
  }

  /** Begins to deliver to those sinks of a run that have no loop yet; to `reopened` also when it is done. */
  async #takeUp(runId: string, reopened?: string): Promise<void> {
    const before = this.#discovering.get(runId) ?? Promise.resolve();
    const look = before
      .catch(() => undefined)
      .then(async () => {
        // A loop that ends during the look leaves a newer entry behind than the one that is read here.
        const known = new Set(this.#loops.get(runId)?.keys());
        for (const entry of await this.#parts.journal.sinks(runId)) {
          if (!known.has(entry.spec)) this.#add(entry, entry.spec === reopened);
        }
      });
    this.#discovering.set(runId, look);
    try {
      await look;
    } finally {
      if (this.#discovering.get(runId) === look) this.#discovering.delete(runId);
      this.#tellQuiet();
    }
  }

  #rememberSinkless(runId: string): void {
    if (this.#sinkless.size >= MAX_SINKLESS) this.#sinkless.clear();
    this.#sinkless.add(runId);
  }

  #add(entry: SinkEntry, reopen = false): void {
    const { runId, spec, state } = entry;
    if (this.#stopped || this.#withheld || (state === "done" && !reopen) || this.#loops.get(runId)?.has(spec))
      return;
    const target = this.#kinds.target(spec);
    if (target === undefined) {
      this.#refuseUnknown(entry);
      return;
    }
    const { kind, key } = target;
    const loop = new SinkLoop(this.#parts, kind, this.#enter(key, kind), entry);
    const bySpec = this.#loops.get(runId) ?? new Map();
    this.#loops.set(runId, bySpec);
    const ended = loop.run().then(() => {
      bySpec.delete(spec);
      if (bySpec.size === 0) this.#loops.delete(runId);
      this.#leave(key);
      // A resume that came while the loop ended is nobody else's to see.
      if (loop.missedWake && !this.#stopped) void this.#discover(runId);
    });
    bySpec.set(spec, { loop, ended });
  }

  #refuseUnknown(entry: SinkEntry): void {
    const lastError = "This daemon has no tracker of this kind.";
    if (entry.state === "refused" && entry.lastError === lastError) return;
    this.#parts.journal
      .saveSink({ ...entry, state: "refused", lastError }, [])
      .then(() => this.#parts.onSaved(entry.runId))
      .catch((error) => this.#parts.log.warn({ fault: describeFault(error) }, "a refusal was not saved"));
  }

  #enter(key: string, { schemes }: TrackerKind): Endpoint {
    const { clock, random, limits } = this.#parts;
    const shared = this.#endpoints.get(key) ?? {
      kind: schemes[0] ?? "",
      endpoint: new Endpoint(clock, random, limits),
      users: 0,
    };
    shared.users++;
    this.#endpoints.set(key, shared);
    return shared.endpoint;
  }

  #leave(key: string): void {
    const shared = this.#endpoints.get(key);
    if (shared !== undefined && --shared.users === 0) this.#endpoints.delete(key);
  }

  #onQuiet(sink: object, quiet: boolean): void {
    if (!quiet) this.#busy.add(sink);
    else if (this.#busy.delete(sink)) this.#tellQuiet();
  }

  #tellChange(runId: string): void {
    for (const listener of this.#listeners) listener(runId);
  }

  #tellQuiet(): void {
    if (this.#busy.size > 0 || this.#discovering.size > 0) return;
    for (const listener of [...this.#quietListeners]) listener();
  }
}
