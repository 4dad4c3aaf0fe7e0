/**
 * A lease: says that a model is being stored, tagged or pinned, so that no collector deletes it meanwhile.
 *
 * A renewal is a new file, and the one before it stays until the next renewal: a collector whose listing runs at the
 * moment of a renewal sees one of the two, whatever listings make of a file that is replaced.
 */
import { randomUUID } from "node:crypto";
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { PipekitError } from "@pipekit/proto";
import { type Clock, Stopwatch, type Times } from "./clock.ts";
import { leaseKey, markKey } from "./keys.ts";

export type LeaseKind = "storing" | "tagging" | "pinning";

/** Who holds a lease, and what for; for a person who reads the file. */
export interface LeaseNote {
  readonly kind: LeaseKind;
  readonly actor: string;
}

export class Lease {
  readonly hash: string;
  readonly #backend: RegistryBackend;
  readonly #clock: Clock;
  readonly #times: Times;
  readonly #note: LeaseNote;
  readonly #id = randomUUID();
  readonly #stop = new AbortController();
  /** Its newest file that is surely there. */
  #newest = "";
  /** Its other files that are there, or may be. */
  #others: string[] = [];
  #renewals = 0;
  #renewed: Stopwatch;
  #lost = false;
  #renewing: Promise<void> | undefined;

  constructor(backend: RegistryBackend, clock: Clock, times: Times, hash: string, note: LeaseNote) {
    this.#backend = backend;
    this.#clock = clock;
    this.#times = times;
    this.hash = hash;
    this.#note = note;
    this.#renewed = new Stopwatch(clock);
  }

  /** Writes the first file, and renews it from now on. */
  async take(signal: AbortSignal): Promise<void> {
    await this.#renew(signal);
    this.#renewing = this.#keepRenewing();
  }

  /** Key of the newest file, which tells by its time of writing what time it is at the backend. */
  get key(): string {
    return this.#newest;
  }

  /** Whether collectors respect it for long enough that whatever is begun now ends in time. */
  get isHeld(): boolean {
    // A late renewal does not bring it back: a collector may have begun in between.
    if (this.#renewed.elapsedMs >= this.#times.holdMs) this.#lost = true;
    return !this.#lost;
  }

  /** To be called before each write that others see. Throws REGISTRY_UNAVAILABLE when the lease may be dead. */
  check(): void {
    if (this.isHeld) return;
    throw new PipekitError(
      "REGISTRY_UNAVAILABLE",
      `The lease on the model ${this.hash} could not be renewed in time, so nothing more is written.`,
      { field: "registry", mend: "Try again once the registry answers." },
    );
  }

  /** Leaves word that the model was stored just now although it was there before: it counts as young then. */
  async markStored(signal: AbortSignal): Promise<void> {
    const bytes = this.#bytes("stored");
    await this.#backend.create(markKey(this.hash, randomUUID()), bytes, signal);
  }

  /** Ends it. What cannot be removed dies by itself. */
  async drop(): Promise<void> {
    this.#stop.abort();
    await this.#renewing;
    const never = new AbortController().signal;
    await this.#remove([this.#newest, ...this.#others], never);
  }

  async #keepRenewing(): Promise<void> {
    const { signal } = this.#stop;
    const never = new AbortController().signal;
    while (!signal.aborted) {
      await this.#clock.wait(this.#times.renewMs, signal, true).catch(() => undefined);
      // A failed renewal is tried again a little later; `check` knows how old the last one is.
      if (!signal.aborted) await this.#renew(never).catch(() => undefined);
    }
  }

  async #renew(signal: AbortSignal): Promise<void> {
    // The file is at least as young as the moment before it was asked for.
    const begun = new Stopwatch(this.#clock);
    const key = leaseKey(this.hash, this.#id, ++this.#renewals);
    this.#others.push(key);
    if ((await this.#backend.create(key, this.#bytes(this.#note.kind), signal)) === undefined) {
      throw new Error(`The lease ${key} is there already.`);
    }
    if (this.isHeld) this.#renewed = begun;
    const [before, old] = [this.#newest, this.#others.filter((other) => other !== key)];
    this.#newest = key;
    this.#others = before === "" ? [] : [before];
    await this.#remove(old, signal);
  }

  async #remove(keys: readonly string[], signal: AbortSignal): Promise<void> {
    await Promise.all(keys.map((key) => this.#backend.remove(key, signal).catch(() => undefined)));
  }

  #bytes(kind: LeaseKind | "stored"): Buffer {
    const at = new Date(this.#clock.unixMs()).toISOString();
    return Buffer.from(`${JSON.stringify({ actor: this.#note.actor, kind, at })}\n`);
  }
}
