import type { AdapterContext, TrackerKind } from "@pipekit/adapters/tracker";
import type { Logger } from "pino";
import type { Journal, SinkEntry } from "../journal/journal.ts";
import { type Clock, sleep, systemClock } from "./clock.ts";
import { Endpoint } from "./endpoint.ts";
import { describeFault } from "./guard.ts";
import type { CrashPoint } from "./ledger.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { SinkLoop } from "./loop.ts";
import type { SinkParts } from "./parts.ts";
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
  readonly #endpoints = new Map<string, { endpoint: Endpoint; users: number }>();
  readonly #busy = new Set<object>();
  /** Runs whose sinks are being looked up. */
  readonly #discovering = new Set<string>();
  readonly #sinkless = new Set<string>();
  readonly #listeners = new Set<(runId: string) => void>();
  readonly #quietListeners = new Set<() => void>();
  #unsubscribe = () => {};
  #stopped = false;

  constructor(options: DeliveryOptions) {
    const { journal, content, context, log } = options;
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
      reads: new Turns(limits.concurrentReads),
      onSaved: (runId) => {
        for (const listener of this.#listeners) listener(runId);
      },
      onQuiet: (sink, quiet) => this.#onQuiet(sink, quiet),
    };
  }

  canonicalSpecs(specs: readonly string[]): string[] {
    return this.#kinds.canonical(specs);
  }

  async start(): Promise<void> {
    this.#unsubscribe = this.#parts.journal.onCommit((runIds) => this.#onCommit(runIds));
    for (const entry of await this.#parts.journal.openSinks()) this.#add(entry);
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
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

  onChange(listener: (runId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #onCommit(runIds: ReadonlySet<string>): void {
    for (const runId of runIds) {
      const bySpec = this.#loops.get(runId);
      if (bySpec === undefined) void this.#discover(runId);
      else for (const { loop } of bySpec.values()) loop.wake();
    }
  }

  /** Begins to deliver a run that is new here. */
  async #discover(runId: string): Promise<void> {
    if (this.#sinkless.has(runId) || this.#discovering.has(runId)) return;
    this.#discovering.add(runId);
    try {
      for (const entry of await this.#parts.journal.sinks(runId)) this.#add(entry);
      if (!this.#loops.has(runId)) this.#rememberSinkless(runId);
    } catch (error) {
      this.#parts.log.warn({ run: runId, fault: describeFault(error) }, "the sinks of a run were not read");
    } finally {
      this.#discovering.delete(runId);
      this.#tellQuiet();
    }
  }

  #rememberSinkless(runId: string): void {
    if (this.#sinkless.size >= MAX_SINKLESS) this.#sinkless.clear();
    this.#sinkless.add(runId);
  }

  #add(entry: SinkEntry): void {
    const { runId, spec, state } = entry;
    if (this.#stopped || state === "done" || this.#loops.get(runId)?.has(spec)) return;
    const target = this.#kinds.target(spec);
    if (target === undefined) {
      this.#refuseUnknown(entry);
      return;
    }
    const { kind, key } = target;
    const loop = new SinkLoop(this.#parts, kind, this.#enter(key), entry);
    const bySpec = this.#loops.get(runId) ?? new Map();
    this.#loops.set(runId, bySpec);
    const ended = loop.run().then(() => {
      bySpec.delete(spec);
      if (bySpec.size === 0) this.#loops.delete(runId);
      this.#leave(key);
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

  #enter(key: string): Endpoint {
    const { clock, random, limits } = this.#parts;
    const shared = this.#endpoints.get(key) ?? { endpoint: new Endpoint(clock, random, limits), users: 0 };
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

  #tellQuiet(): void {
    if (this.#busy.size > 0 || this.#discovering.size > 0) return;
    for (const listener of [...this.#quietListeners]) listener();
  }
}
