/** The real delivery and the real journal around one tool, in a folder of their own, with waits cut short. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Properties, TrackerAdapter } from "@pipekit/adapters/tracker";
import { type Record, RunState } from "@pipekit/proto";
import { pino } from "pino";
import { type ContentStore, openContentStore } from "../../daemon/content/index.ts";
import { createDelivery, type Delivery, type Limits } from "../../daemon/delivery/index.ts";
import {
  type DeadLetterEntry,
  type Journal,
  openJournal,
  type ReadSinkEntry,
} from "../../daemon/journal/index.ts";
import { metricsOf } from "./tracker-frames.ts";
import { NO_CONTEXT, type TrackerHarness } from "./tracker-harness.ts";
import { mortalJournal, mortalKind, mustLive, type Watch } from "./tracker-life.ts";
import { newRun, type PointRecord } from "./tracker-records.ts";

/** A person's waits as a test can stand them. A call without answer is given up after `callTimeoutMs`. */
export const QUICK: Partial<Limits> = {
  backoffBaseMs: 5,
  backoffCapMs: 25,
  longestAfterMs: 25,
  probeCapMs: 25,
  refusedRetryMs: 50,
  lingerMs: 5,
  saveEveryMs: 10,
  saveEveryBatches: 3,
  callTimeoutMs: 2000,
};

/** What a room may do beside delivering. */
export interface RoomOptions extends Watch {
  /** True ends the daemon of the room at a crash point of delivery, as kill -9 would. */
  readonly crash?: () => boolean;
}

/** A daemon without its socket. */
export class ToolRoom {
  readonly journal: Journal;
  readonly content: ContentStore;
  /** Lives that it has had. */
  lives = 0;
  readonly #harness: TrackerHarness;
  readonly #options: RoomOptions;
  readonly #folder: string;
  readonly #adapters: TrackerAdapter[] = [];
  #delivery: Delivery;
  #crashed = Promise.withResolvers<void>();
  /** Frames of each run so far. */
  readonly #frames = new Map<string, number>();

  private constructor(
    harness: TrackerHarness,
    options: RoomOptions,
    folder: string,
    journal: Journal,
    content: ContentStore,
  ) {
    this.#harness = harness;
    this.#options = options;
    this.#folder = folder;
    this.journal = journal;
    this.content = content;
    this.#delivery = this.#deliveryOfThisLife();
  }

  static async open(harness: TrackerHarness, options: RoomOptions = {}): Promise<ToolRoom> {
    const folder = mkdtempSync(join(tmpdir(), "pkx-room-"));
    const log = pino({ level: "silent" });
    const journal = await openJournal({ stateFolder: folder, log });
    const room = new ToolRoom(
      harness,
      options,
      folder,
      journal,
      await openContentStore({ stateFolder: folder }),
    );
    await room.#delivery.start();
    return room;
  }

  /** Starts a run that goes to the tool; returns its id. */
  async start(configJson = '{"lr":0.1}'): Promise<string> {
    const { runId, name, pipelineHash, host, client, tags, startedAtUs } = newRun();
    const value = {
      ...{ name, pipelineHash, host, client, startedAtUs, configJson },
      ...{ tracker: "", sinks: [], pid: 1, systemMetricsIntervalMs: 0, tags: { ...tags }, member: undefined },
    };
    await this.append(runId, [{ record: { $case: "start", value } }], [this.#harness.spec]);
    return runId;
  }

  async append(runId: string, records: Record[], sinks: readonly string[] = []): Promise<void> {
    const seq = (this.#frames.get(runId) ?? 0) + 1;
    this.#frames.set(runId, seq);
    const frame = { writerId: `w${runId.slice(1)}`, seq, runId, records };
    await this.journal.append(frame, sinks);
  }

  async log(runId: string, points: readonly PointRecord[]): Promise<void> {
    await this.append(runId, [metricsOf(points)]);
  }

  async end(runId: string, state: RunState = RunState.RUN_STATE_COMPLETED): Promise<void> {
    const value = { state, reason: "", endedAtUs: 1_760_000_100_000_000 };
    await this.append(runId, [{ record: { $case: "end", value } }]);
  }

  async resume(runId: string): Promise<void> {
    const value = {
      resumedAtUs: 1_760_000_200_000_000,
      client: "test/1",
      host: "host-b",
      pid: 2,
      reason: "",
    };
    await this.append(runId, [{ record: { $case: "resume", value } }]);
  }

  /** What is known of the run's sink. */
  async sink(runId: string): Promise<ReadSinkEntry> {
    const [entry] = await this.journal.sinks(runId);
    if (entry === undefined) throw new Error(`The run ${runId} has no sink.`);
    return entry;
  }

  async deadLetters(runId: string): Promise<readonly DeadLetterEntry[]> {
    return await this.journal.deadLetters({ runId, limit: 10_000 });
  }

  /** What the tool's adapters say of themselves; there once a run was opened. */
  get properties(): Properties {
    const [adapter] = this.#adapters;
    if (adapter === undefined) throw new Error("No adapter was made yet.");
    return adapter.properties;
  }

  /** Waits until a run's sink is in a state that fits, and starts the daemon again whenever it has crashed. */
  async until(
    runId: string,
    fits: (sink: ReadSinkEntry) => boolean,
    timeoutMs = 40_000,
  ): Promise<ReadSinkEntry> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const entry = await this.sink(runId);
      if (fits(entry)) return entry;
      if (Date.now() > deadline) throw new Error(`It did not get there: ${JSON.stringify(entry)}`);
      await this.#nextChange();
    }
  }

  async close(): Promise<void> {
    await this.#delivery.stop(1000);
    for (const adapter of this.#adapters) await adapter.close().catch(() => undefined);
    await this.journal.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** A change of any sink, or a crash, which ends in a new life. Looks again after a while in any case. */
  async #nextChange(): Promise<void> {
    const changed = Promise.withResolvers<false>();
    const stop = this.#delivery.onChange(() => changed.resolve(false));
    const timer = setTimeout(() => changed.resolve(false), 50);
    const crashed = await Promise.race([changed.promise, this.#crashed.promise.then(() => true)]);
    clearTimeout(timer);
    stop();
    if (!crashed) return;
    await this.#delivery.stop(500);
    this.#delivery = this.#deliveryOfThisLife();
    await this.#delivery.start();
  }

  #deliveryOfThisLife(): Delivery {
    this.lives++;
    const crashed = Promise.withResolvers<void>();
    this.#crashed = crashed;
    const life = { dead: false };
    const crashpoint = () => {
      if (!life.dead && this.#options.crash?.() === true) {
        life.dead = true;
        crashed.resolve();
      }
      mustLive(life);
    };
    return createDelivery({
      journal: mortalJournal(this.journal, life),
      content: this.content,
      kinds: [mortalKind(this.#harness.kind, life, this.#options, this.#adapters)],
      context: this.#harness.context ?? NO_CONTEXT,
      log: pino({ level: "silent" }),
      limits: QUICK,
      crashpoint,
    });
  }
}
