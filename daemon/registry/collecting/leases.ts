/**
 * How storers, taggers and pinners keep out of a collector's way, without a lock and without trusting any host's clock.
 *
 * Architecture Invariant: a holder writes its lease first and looks for tombstones then; a collector writes its tombstone
 * first and looks for leases then. At least one of the two sees the other: the holder waits, or the collector gives way.
 * Architecture Invariant: nobody removes or replaces the lease or tombstone of another that may be alive. Each has a name of its own, so that
 * a removal that comes late, or twice, hits nobody else's.
 * Architecture Invariant: a tombstone counts until no deletion of its collector can come any more, also when that has died.
 * Architecture Invariant: what a tombstone or lease says of time is judged by the backend's clock: by the time of writing of
 * the judge's own newest file.
 */
import type { ObjectInfo, RegistryBackend } from "@pipekit/adapters/registry";
import { type Clock, Stopwatch, type Times, timesFor } from "./clock.ts";
import { scanAll, tombstonesOf } from "./keys.ts";
import { Lease, type LeaseNote } from "./lease.ts";
import { type Processes, processOf, unknownProcesses } from "./tombstone.ts";

const FIRST_LOOK_MS = 50;
const LONGEST_LOOK_MS = 2000;
/** Instead of `goneMs` where the files lie on this host: with a process its calls have ended. */
const LOCAL_GONE_MS = 500;

export class Leases {
  readonly #backend: RegistryBackend;
  readonly #clock: Clock;
  readonly #times: Times;
  readonly #processes: Processes;
  readonly #dropping = new Set<Promise<void>>();

  constructor(backend: RegistryBackend, clock: Clock, times?: Times, processes = unknownProcesses) {
    this.#backend = backend;
    this.#clock = clock;
    this.#times = timesFor(backend.properties, times);
    this.#processes = processes;
  }

  /**
   * Works on a model that no collector touches. Before, it waits for those that are at it; the signal ends the waiting
   * and nothing else. `work` calls `lease.check()` before each write that others see.
   */
  async hold<T>(
    hash: string,
    note: LeaseNote,
    signal: AbortSignal,
    work: (lease: Lease) => Promise<T>,
  ): Promise<T> {
    const lease = new Lease(this.#backend, this.#clock, this.#times, hash, note);
    try {
      await lease.take(signal);
      await this.#untilClear(lease, signal);
      return await work(lease);
    } finally {
      // Nobody waits for it: a lease that stays for a moment more protects what needs no protection.
      const dropping = lease.drop().finally(() => this.#dropping.delete(dropping));
      this.#dropping.add(dropping);
    }
  }

  /** Resolves once the leases that have ended are gone. */
  async settled(): Promise<void> {
    await Promise.all(this.#dropping);
  }

  async #untilClear(lease: Lease, signal: AbortSignal): Promise<void> {
    const gone = new Map<string, Stopwatch>();
    for (let delay = FIRST_LOOK_MS; ; delay = Math.min(delay * 2, LONGEST_LOOK_MS)) {
      const tombstones = await scanAll(this.#backend, tombstonesOf(lease.hash), signal);
      if (tombstones.length === 0 || (await this.#areDead(tombstones, lease, gone, signal))) return;
      await this.#clock.wait(delay, signal);
    }
  }

  /**
   * Whether their collectors deleted their last file long ago. A dead tombstone is left for the next collection. `gone`
   * tells since when the processes of tombstones have been seen to be gone.
   */
  async #areDead(
    tombstones: readonly ObjectInfo[],
    lease: Lease,
    gone: Map<string, Stopwatch>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const own = await this.#backend.info(lease.key, signal);
    const oldestAliveUs = (own?.modifiedAtUs ?? 0) - this.#times.tombstoneMs * 1000;
    const isLocal = this.#backend.localPath(lease.key) !== undefined;
    const goneMs = isLocal ? Math.min(LOCAL_GONE_MS, this.#times.goneMs) : this.#times.goneMs;
    const alive = tombstones.filter(({ modifiedAtUs }) => modifiedAtUs >= oldestAliveUs);
    const dead = await Promise.all(
      alive.map(async ({ key }) => {
        if (!gone.has(key) && (await this.#isLeftAlone(key, signal)))
          gone.set(key, new Stopwatch(this.#clock));
        return (gone.get(key)?.elapsedMs ?? 0) >= goneMs;
      }),
    );
    return dead.every(Boolean);
  }

  async #isLeftAlone(tombstone: string, signal: AbortSignal): Promise<boolean> {
    const found = await this.#backend.get(tombstone, signal);
    const mark = found === undefined ? "" : processOf(found.bytes);
    return mark !== "" && this.#processes.isGone(mark);
  }
}
