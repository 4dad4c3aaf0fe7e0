/** The rooms behind the TrackerService in this process: a real journal, content store and delivery, and a scripted tool. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Frame,
  packRows,
  type Record,
  RunResume,
  RunStart,
  RunState,
  SyncRequest,
  type SyncResponse,
} from "@pipekit/proto";
import { pino } from "pino";
import { ulid } from "ulid";
import { type ContentStore, openContentStore } from "../../daemon/content/index.ts";
import { createDelivery, type Delivery } from "../../daemon/delivery/index.ts";
import { type Journal, openJournal } from "../../daemon/journal/index.ts";
import { Intake } from "../../daemon/rpc/intake.ts";
import { type ForeignFolders, sync } from "../../daemon/rpc/sync.ts";
import { FakeTracker } from "../support/fake-tracker.ts";

export const SINK = "fake:a/x";
const log = pino({ level: "silent" });

/** Limits under which a test need not wait. */
const QUICK = { lingerMs: 5, backoffBaseMs: 5, backoffCapMs: 20, redrivePatienceMs: 2000 };

export class RpcRoom {
  readonly stateFolder: string;
  readonly journal: Journal;
  readonly content: ContentStore;
  readonly delivery: Delivery;
  readonly tracker: FakeTracker;
  readonly intake: Intake;
  readonly #home: string;
  readonly #open: ForeignFolders["open"];
  #nextValue = 0;

  static async open(
    open: ForeignFolders["open"],
    admit: () => Promise<void> = async () => {},
    tracker = new FakeTracker(),
  ): Promise<RpcRoom> {
    const home = mkdtempSync(join(tmpdir(), "pkx-"));
    const stateFolder = join(home, "state");
    mkdirSync(stateFolder);
    const journal = await openJournal({ stateFolder, log });
    const content = await openContentStore({ stateFolder });
    const room = new RpcRoom(home, stateFolder, journal, content, tracker, open, admit);
    await room.delivery.start();
    return room;
  }

  private constructor(
    home: string,
    stateFolder: string,
    journal: Journal,
    content: ContentStore,
    tracker: FakeTracker,
    open: ForeignFolders["open"],
    admit: () => Promise<void>,
  ) {
    this.#home = home;
    this.stateFolder = stateFolder;
    this.journal = journal;
    this.content = content;
    this.tracker = tracker;
    this.#open = open;
    this.delivery = createDelivery({
      journal,
      content,
      kinds: [tracker.kind],
      context: { env: {}, home, log: () => {} },
      log,
      limits: QUICK,
    });
    this.intake = new Intake({
      journal,
      content,
      delivery: this.delivery,
      trackers: { team: ["fake:team/x"] },
      log,
      admit,
    });
  }

  async close(): Promise<void> {
    await this.delivery.stop(1000);
    await this.journal.close();
    rmSync(this.#home, { recursive: true, force: true });
  }

  /** A new run and its writer. */
  async start(fields: Partial<RunStart> = {}): Promise<Writer> {
    const writer = new Writer(this);
    await writer.append({ $case: "start", value: startOf(fields) });
    return writer;
  }

  /** Columns of points of one key whose values count up over all that this room makes. */
  points(count: number): NonNullable<Record["record"]> {
    const rows = Array.from({ length: count }, (_, step) => ({
      keys: ["loss"],
      step,
      timeUs: 1,
      values: [this.#nextValue++],
    }));
    return { $case: "metrics", value: packRows(rows) };
  }

  /** All answers of a Sync. */
  async sync(fields: Partial<SyncRequest>, signal = AbortSignal.timeout(20_000)): Promise<SyncResponse[]> {
    const answers: SyncResponse[] = [];
    for await (const answer of this.syncing(fields, signal)) answers.push(answer);
    return answers;
  }

  syncing(fields: Partial<SyncRequest>, signal: AbortSignal): AsyncGenerator<SyncResponse> {
    const { journal, content, delivery, intake } = this;
    const foreign = { ownFolder: this.stateFolder, open: this.#open };
    return sync({ journal, content, delivery, intake, foreign }, SyncRequest.fromPartial(fields), signal);
  }

  /** Values that the tool holds of a run, in order of arrival. */
  values(runId: string, spec = SINK): number[] {
    return this.tracker.values(runId, spec);
  }

  /** Resolves when the sink of a run has the state. */
  async untilState(runId: string, state: string, spec = SINK): Promise<void> {
    for (const until = Date.now() + 10_000; Date.now() < until; await pause()) {
      const entry = (await this.journal.sinks(runId)).find((sink) => sink.spec === spec);
      if (entry?.state === state) return;
    }
    throw new Error(`${spec} of ${runId} does not become ${state}.`);
  }
}

function pause(): Promise<void> {
  return new Promise((done) => setTimeout(done, 5));
}

function startOf(fields: Partial<RunStart>): RunStart {
  return RunStart.fromPartial({ name: "r", startedAtUs: Date.now() * 1000, ...fields });
}

/** One writer of one run. */
export class Writer {
  readonly runId: string;
  readonly writerId = ulid();
  readonly #room: RpcRoom;
  #seq = 0;

  constructor(room: RpcRoom, runId = ulid()) {
    this.#room = room;
    this.runId = runId;
  }

  frame(...facts: NonNullable<Record["record"]>[]): Frame {
    const records = facts.map((record) => ({ record }));
    return { runId: this.runId, writerId: this.writerId, seq: ++this.#seq, records };
  }

  /** Appends one frame with these facts; throws what rejects it. */
  async append(...facts: NonNullable<Record["record"]>[]): Promise<void> {
    await this.#room.intake.appendWhole(this.frame(...facts), new AbortController().signal);
  }

  /** Goes on with the run; starts it where there is none. */
  resume(fields: Partial<RunStart> = {}, pid = process.pid): Promise<void> {
    const value = RunResume.fromPartial({ resumedAtUs: Date.now() * 1000, host: hostname(), pid });
    return this.append({ $case: "resume", value }, { $case: "start", value: startOf(fields) });
  }

  log(count: number): Promise<void> {
    return this.append(this.#room.points(count));
  }

  end(): Promise<void> {
    const value = { state: RunState.RUN_STATE_COMPLETED, reason: "", endedAtUs: Date.now() * 1000 };
    return this.append({ $case: "end", value });
  }

  attach(name: string, path: string): Promise<void> {
    return this.append({ $case: "artifact", value: { name, path, staged: false, files: [], uri: "" } });
  }
}
