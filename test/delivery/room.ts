import { packRows, type Record, RunState } from "@pipekit/proto";
import { pino } from "pino";
import { createDelivery, type Delivery, type DeliveryOptions } from "../../daemon/delivery/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FakeJournal } from "../support/fake-journal.ts";
import { FakeTracker } from "../support/fake-tracker.ts";

/** A delivery among fakes. */
export class Room {
  readonly clock: FakeClock;
  readonly journal: FakeJournal;
  readonly tracker: FakeTracker;
  readonly delivery: Delivery;
  #nextValue = 0;

  constructor(
    options: Partial<DeliveryOptions> & {
      journal?: FakeJournal;
      tracker?: FakeTracker;
      clock?: FakeClock;
    } = {},
  ) {
    this.clock = options.clock ?? new FakeClock();
    this.journal = options.journal ?? new FakeJournal();
    this.tracker = options.tracker ?? new FakeTracker();
    this.delivery = createDelivery({
      content: { pathOf: (sha256) => `/content/${sha256}` },
      kinds: [this.tracker.kind],
      context: { env: {}, home: "/", log: () => {} },
      log: pino({ level: "silent" }),
      random: () => 0.5,
      ...options,
      clock: this.clock,
      journal: this.journal,
    });
  }

  async start(runId: string, sinks: readonly string[], configJson = '{"lr":0.1}'): Promise<void> {
    await this.append(runId, [startRecord(runId, configJson)], sinks);
  }

  /** Logs points whose values count up over all runs, `perRow` in a row, in one frame. */
  async log(runId: string, points: number, perRow = 1): Promise<void> {
    await this.append(runId, [this.metrics(points, perRow)]);
  }

  metrics(points: number, perRow = 1): Record {
    const record = metricsRecord(this.#nextValue, points, perRow);
    this.#nextValue += points;
    return record;
  }

  async end(runId: string): Promise<void> {
    await this.append(runId, [endRecord()]);
  }

  async resume(runId: string): Promise<void> {
    await this.append(runId, [resumeRecord()]);
  }

  async append(runId: string, records: Record[], sinks: readonly string[] = []): Promise<void> {
    await this.journal.append({ writerId: "w", seq: 1, runId, records }, sinks);
  }

  entry(runId: string, spec: string) {
    const entry = this.journal.sinkEntries.get(`${runId} ${spec}`);
    if (entry === undefined) throw new Error(`No sink ${spec} of ${runId}.`);
    return entry;
  }

  /** Lets time pass until every sink named has the state. */
  async untilState(state: string, ...sinks: readonly [runId: string, spec: string][]): Promise<void> {
    await this.clock.until(() => sinks.every(([runId, spec]) => this.entry(runId, spec).state === state));
  }
}

export function startRecord(name: string, configJson = "{}", tags: { [name: string]: string } = {}): Record {
  const where = { host: "h", pid: 1, client: "test/1" };
  const value = {
    name,
    tracker: "",
    sinks: [],
    pipelineHash: "",
    configJson,
    startedAtUs: 5,
    systemMetricsIntervalMs: 0,
    member: undefined,
    ...where,
    tags,
  };
  return { record: { $case: "start", value } };
}

function metricsRecord(firstValue: number, points: number, perRow = 1): Record {
  const keySets = Array.from({ length: perRow }, (_, width) =>
    Array.from({ length: width + 1 }, (_, key) => `k${key}`),
  );
  const rows = [];
  for (let done = 0; done < points; ) {
    const width = Math.min(perRow, points - done);
    const values = Array.from({ length: width }, (_, index) => firstValue + done + index);
    rows.push({ keys: keySets[width - 1] ?? [], step: done, timeUs: 10 + done, values });
    done += width;
  }
  return { record: { $case: "metrics", value: packRows(rows) } };
}

export function endRecord(state: RunState = RunState.RUN_STATE_COMPLETED): Record {
  return { record: { $case: "end", value: { state, reason: "", endedAtUs: 99 } } };
}

export function resumeRecord(): Record {
  const value = { resumedAtUs: 100, client: "test/1", host: "h", pid: 2, reason: "" };
  return { record: { $case: "resume", value } };
}

/** `from`, `from` + 1, ... */
export function numbers(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}
