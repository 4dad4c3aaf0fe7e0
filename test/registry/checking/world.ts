/**
 * A registry in memory in which every request is one step that a scheduler takes when it likes: whoever has asked waits
 * until then. Time stands still unless the scheduler lets it pass. All participants share the clock of the backend.
 */
import { createHash } from "node:crypto";
import type { BlobSource, ObjectInfo, PendingBlob, RegistryBackend } from "@pipekit/adapters/registry";
import type { Clock } from "../../../daemon/registry/collecting/clock.ts";

export interface StoredThing {
  readonly bytes: Buffer;
  readonly version: string;
  readonly modifiedAtMs: number;
}

/** A request that has been made and not been served. */
export interface Step {
  readonly id: string;
  readonly actor: string;
  readonly label: string;
  readonly writes: boolean;
  /** Whether `key` is a prefix. */
  readonly lists: boolean;
  readonly key: string;
  readonly askedAtMs: number;
  readonly act: () => unknown;
  readonly answer: (result: unknown) => void;
  readonly fail: (error: Error) => void;
}

interface Timer {
  readonly actor: string;
  readonly atMs: number;
  readonly idle: boolean;
  readonly fire: () => void;
}

export class World {
  readonly things = new Map<string, StoredThing>();
  readonly steps: Step[] = [];
  nowMs = 1_700_000_000_000;
  readonly #timers = new Set<Timer>();
  readonly #dead = new Set<string>();
  readonly #asked = new Map<string, number>();
  #versions = 0;

  /** Serves a request. */
  async take(step: Step): Promise<void> {
    this.#drop(step);
    step.answer(step.act());
    await settle();
  }

  /** Fails a request: `effect` says whether what it asks for is done now, later or never. */
  async fail(step: Step, effect: "now" | "later" | "never"): Promise<void> {
    this.#drop(step);
    if (effect === "now") step.act();
    if (effect === "later") this.#leaveBehind(step);
    step.fail(new Error(`The request to ${step.label} failed.`));
    await settle();
  }

  /** Kills an actor: no code of it runs again. What it has asked for is `lost`, or, `sent`, served some time. */
  kill(actor: string, requests: "lost" | "sent" = "lost"): void {
    this.#dead.add(actor);
    for (const step of this.steps.filter((candidate) => candidate.actor === actor)) {
      this.#drop(step);
      if (requests === "sent") this.#leaveBehind(step);
    }
    for (const timer of this.#timers) if (timer.actor === actor) this.#timers.delete(timer);
  }

  isDead(actor: string): boolean {
    return this.#dead.has(actor);
  }

  /** Milliseconds to the next timer; undefined when nobody waits, or nobody who would keep his process alive. */
  get nextTimerInMs(): number | undefined {
    const timers = [...this.#timers];
    if (timers.every(({ idle }) => idle)) return undefined;
    return Math.max(0, Math.min(...timers.map(({ atMs }) => atMs)) - this.nowMs);
  }

  /** Lets time pass, timer by timer. */
  async pass(ms: number): Promise<void> {
    const until = this.nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
      if (next === undefined || next.atMs > until) break;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.#timers.delete(next);
      next.fire();
      await settle();
    }
    this.nowMs = until;
  }

  clock(actor: string): Clock {
    return {
      steadyMs: () => this.nowMs,
      unixMs: () => this.nowMs,
      wait: (ms, signal, idle = false) =>
        new Promise((resolve, reject) => {
          if (signal.aborted) return reject(signal.reason);
          if (this.isDead(actor)) return;
          const fire = (): void => {
            signal.removeEventListener("abort", abort);
            resolve();
          };
          const timer = { actor, atMs: this.nowMs + ms, idle, fire };
          const abort = (): void => {
            this.#timers.delete(timer);
            reject(signal.reason);
          };
          this.#timers.add(timer);
          signal.addEventListener("abort", abort, { once: true });
        }),
    };
  }

  backend(actor: string): RegistryBackend {
    const read = <T>(label: string, key: string, act: () => T, lists = false): Promise<T> =>
      this.#ask(actor, { label: `${label} ${key}`, key, lists, writes: false, act });
    const write = <T>(label: string, key: string, act: () => T): Promise<T> =>
      this.#ask(actor, { label: `${label} ${key}`, key, lists: false, writes: true, act });
    const create = (key: string, bytes: Buffer) => () =>
      this.things.has(key) ? undefined : this.put(key, bytes);
    const infos = (prefix: string, after: string, limit: number): ObjectInfo[] =>
      this.keys(prefix)
        .filter((key) => key > after)
        .slice(0, limit)
        .flatMap((key) => this.#info(key) ?? []);
    return {
      spec: "memory:",
      properties: { atomic: true, serverClock: true },
      get: (key) => read("get", key, () => this.things.get(key)),
      info: (key) => read("info", key, () => this.#info(key)),
      create: (key, bytes) => write("create", key, create(key, bytes)),
      replace: (key, bytes, version) =>
        write("replace", key, () =>
          this.things.get(key)?.version === version ? this.put(key, bytes) : undefined,
        ),
      remove: (key) => write("remove", key, () => void this.things.delete(key)),
      scan: (prefix, { after = "", limit }) => read("scan", prefix, () => infos(prefix, after, limit), true),
      list: (prefix, { after = "", limit, folders = false }) =>
        read(
          "list",
          prefix,
          () => {
            const keys = this.keys(prefix);
            const found = folders ? new Set(keys.flatMap((key) => folderAfter(key, prefix))) : new Set(keys);
            return [...found].filter((key) => key > after).slice(0, limit);
          },
          true,
        ),
      receive: async (source: BlobSource): Promise<PendingBlob> => {
        if (source.kind !== "stream") throw new Error("This backend takes streams only.");
        const bytes = Buffer.concat(await Array.fromAsync(source.chunks));
        const sha256 = createHash("sha256").update(bytes).digest("hex");
        const publish = async (key: string) =>
          (await write("publish", key, create(key, bytes))) !== undefined;
        return { sha256, size: bytes.length, publish, discard: async () => undefined };
      },
      read: () => {
        throw new Error("Nobody reads weights here.");
      },
      localPath: () => undefined,
      litter: async function* () {},
      watch: () => () => undefined,
    };
  }

  put(key: string, bytes: Buffer): string {
    const version = String(++this.#versions);
    this.things.set(key, { bytes, version, modifiedAtMs: this.nowMs });
    return version;
  }

  keys(prefix: string): string[] {
    return [...this.things.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  #info(key: string): ObjectInfo | undefined {
    const thing = this.things.get(key);
    return thing && { key, size: thing.bytes.length, modifiedAtUs: thing.modifiedAtMs * 1000 };
  }

  #ask<T>(
    actor: string,
    request: { label: string; key: string; lists: boolean; writes: boolean; act: () => T },
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.isDead(actor)) return;
      const n = (this.#asked.get(actor) ?? 0) + 1;
      this.#asked.set(actor, n);
      const answer = resolve as (result: unknown) => void;
      const about = { ...request, label: `${actor}: ${request.label}` };
      this.steps.push({ ...about, id: `${actor} ${n}`, actor, askedAtMs: this.nowMs, answer, fail: reject });
    });
  }

  /** A request that has no owner any more is served some time. */
  #leaveBehind(step: Step): void {
    this.steps.push({ ...step, id: `${step.id} late`, answer: () => {}, fail: () => {} });
  }

  #drop(step: Step): void {
    const at = this.steps.indexOf(step);
    if (at >= 0) this.steps.splice(at, 1);
  }
}

/** Lets all code run that waits for no request and no timer. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function folderAfter(key: string, prefix: string): string[] {
  const end = key.indexOf("/", prefix.length);
  return end < 0 ? [] : [key.slice(0, end + 1)];
}
