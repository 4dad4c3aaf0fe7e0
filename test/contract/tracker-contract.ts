/** What every tracker adapter must do, run against the real tool behind a network that can be made to fail. */

import type { SinkRecord, SinkRun, TrackerAdapter } from "@pipekit/adapters/tracker";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

/**
 * How the next request that writes fails.
 * - `unavailable`: the tool answers that it cannot now, and names 7 seconds.
 * - `reset`: the connection closes before the tool has the request.
 * - `answerLost`: the tool carries it out, and the connection closes before the answer.
 * - `hang`: no answer ever.
 */
export type NetworkFault = "unavailable" | "reset" | "answerLost" | "hang";

/** A point as the tool shows it. Times in milliseconds, since no tool keeps more. */
export interface ShownPoint {
  readonly key: string;
  readonly step: number;
  readonly value: number;
  readonly timeMs: number;
}

/** What the tool shows of a run. */
export interface ShownRun {
  readonly points: readonly ShownPoint[];
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly state: "running" | "completed" | "failed" | "killed";
}

/** One tool, set up for the suite. */
export interface TrackerHarness {
  /** A new adapter for the same destination, as after a restart of the daemon. */
  connect(): TrackerAdapter;
  /** Fails the next request of this kind. */
  failNext(what: "create" | "write", fault: NetworkFault): void;
  /** Forgets faults that have not happened. */
  heal(): void;
  /** A record that the tool itself refuses for good. */
  readonly refused: SinkRecord;
  /** All runs of the destination that the tool shows for our run id. */
  show(runId: string): Promise<readonly ShownRun[]>;
  close(): Promise<void>;
}

let runs = 0;

function newRun(): SinkRun {
  const runId = `01CONTRACT${process.pid.toString(36).toUpperCase()}${(runs++).toString().padStart(6, "0")}`;
  return {
    runId,
    name: `run ${runs}`,
    pipelineHash: "f".repeat(64),
    configJson: "{}",
    startedAtUs: 1_760_000_000_000_000,
    host: "host-a",
    client: "python/0.1.0",
    tags: { team: "red" },
  };
}

/** `count` points of two keys, each at a time of its own. */
export function pointsFrom(first: number, count: number): SinkRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const step = first + index;
    const key = index % 2 === 0 ? "loss" : "metric/val acc";
    return { kind: "point", key, step, value: step / 8, timeUs: 1_760_000_000_000_000 + step * 1500 };
  });
}

const expected = (records: readonly SinkRecord[]): ShownPoint[] =>
  records.flatMap((record) =>
    record.kind === "point"
      ? [
          {
            key: record.key,
            step: record.step,
            value: record.value,
            timeMs: Math.floor(record.timeUs / 1000),
          },
        ]
      : [],
  );

const sorted = (points: readonly ShownPoint[]): ShownPoint[] =>
  points.toSorted((a, b) =>
    a.key < b.key ? -1 : a.key > b.key ? 1 : a.step - b.step || a.timeMs - b.timeMs,
  );

/** Runs the suite for one adapter. */
export function describeTrackerContract(name: string, makeHarness: () => Promise<TrackerHarness>): void {
  describe(`tracker contract: ${name}`, () => {
    const never = new AbortController().signal;
    let harness: TrackerHarness;
    const adapters: TrackerAdapter[] = [];

    beforeAll(async () => {
      harness = await makeHarness();
    });
    afterEach(async () => {
      harness.heal();
      for (const adapter of adapters.splice(0)) await adapter.close();
    });
    afterAll(async () => await harness?.close());

    const connect = (): TrackerAdapter => {
      const adapter = harness.connect();
      adapters.push(adapter);
      return adapter;
    };
    const opened = async (run = newRun()) => {
      const adapter = connect();
      const open = await adapter.open(run, undefined, never);
      if (open.status !== "ok") throw new Error(open.reason);
      return { adapter, run, open };
    };
    const onlyRun = async (run: SinkRun): Promise<ShownRun> => {
      const shown = await harness.show(run.runId);
      expect(shown).toHaveLength(1);
      return shown[0] as ShownRun;
    };

    test("shows what was sent", async () => {
      const { adapter, run, open } = await opened();
      const points = pointsFrom(0, 40);
      const batch: SinkRecord[] = [
        { kind: "params", params: { lr: "0.1", "model.depth": "3" } },
        ...points,
        { kind: "tags", tags: { stage: "dev" } },
      ];
      expect(await adapter.send(batch, never)).toEqual({ status: "ok" });
      const shown = await onlyRun(run);
      expect(sorted(shown.points)).toEqual(sorted(expected(points)));
      expect(shown.params).toEqual({ lr: "0.1", "model.depth": "3" });
      expect(shown.tags).toMatchObject({ stage: "dev", team: "red" });
      expect(shown.state).toBe("running");
      expect(open.remoteId).not.toBe("");
      expect(open.remoteUrl).toMatch(/^https?:/);
      expect(adapter.takeNotes()).toEqual([]);
    });

    test("opening again gives the same run, with its memo or without", async () => {
      const { run, open } = await opened();
      for (const memo of [undefined, JSON.parse(JSON.stringify(open.memo)), { unreadable: 1 }]) {
        const again = await connect().open(run, memo, never);
        expect(again).toMatchObject({ status: "ok", remoteId: open.remoteId, remoteUrl: open.remoteUrl });
      }
      await onlyRun(run);
    });

    for (const fault of ["unavailable", "reset", "answerLost"] as const) {
      test(`a create that fails (${fault}) and is repeated makes one run`, async () => {
        const run = newRun();
        harness.failNext("create", fault);
        const adapter = connect();
        expect(await adapter.open(run, undefined, never)).toMatchObject({ status: "retry" });
        expect(await adapter.open(run, undefined, never)).toMatchObject({ status: "ok" });
        await onlyRun(run);
      });

      test(`a batch that fails (${fault}) and is repeated is shown once`, async () => {
        const { adapter, run } = await opened();
        const points = pointsFrom(0, 30);
        harness.failNext("write", fault);
        const result = await adapter.send(points, never);
        // An adapter may repeat by itself what a dead connection has swallowed.
        if (fault === "unavailable") expect(result).toMatchObject({ status: "retry", afterMs: 7000 });
        else expect(["retry", "ok"]).toContain(result.status);
        expect(await adapter.send(points, never)).toEqual({ status: "ok" });
        const shown = await onlyRun(run);
        expect(sorted(shown.points)).toEqual(sorted(expected(points)));
      });
    }

    test("a batch sent again, by this adapter or by the next, in other pieces, is shown once", async () => {
      const { adapter, run, open } = await opened();
      const points = pointsFrom(0, 60);
      const batch: SinkRecord[] = [...points, { kind: "params", params: { a: "1" } }];
      expect(await adapter.send(batch, never)).toEqual({ status: "ok" });
      expect(await adapter.send(batch, never)).toEqual({ status: "ok" });
      const next = connect();
      await next.open(run, open.memo, never);
      expect(await next.send(batch.slice(10, 35), never)).toEqual({ status: "ok" });
      expect(await next.send(batch.slice(20), never)).toEqual({ status: "ok" });
      const shown = await onlyRun(run);
      expect(sorted(shown.points)).toEqual(sorted(expected(points)));
    });

    test("a record that the tool refuses is named, and the others are taken", async () => {
      const { adapter, run } = await opened();
      const points = pointsFrom(0, 25);
      const batch = [...points.slice(0, 9), harness.refused, ...points.slice(9)];
      const result = await adapter.send(batch, never);
      expect(result).toMatchObject({ status: "permanent", rejected: [9] });
      if (result.status === "permanent") expect(result.reason.length).toBeGreaterThan(10);
      const shown = await onlyRun(run);
      expect(sorted(shown.points)).toEqual(sorted(expected(points)));
    });

    test("a call ends soon after its abort, and can be repeated", async () => {
      const { adapter, run } = await opened();
      const points = pointsFrom(0, 10);
      harness.failNext("write", "hang");
      const abort = new AbortController();
      const pending = adapter.send(points, abort.signal);
      setTimeout(() => abort.abort(), 100);
      const started = performance.now();
      expect(await pending).toMatchObject({ status: "retry" });
      expect(performance.now() - started).toBeLessThan(1000);
      expect(await adapter.send(points, AbortSignal.abort())).toMatchObject({ status: "retry" });
      expect(await adapter.send(points, never)).toEqual({ status: "ok" });
      expect((await onlyRun(run)).points).toHaveLength(10);
    });

    test("accepted and refused make up what was sent, whatever the network does", async () => {
      const { adapter, run } = await opened();
      const faults = ["reset", "answerLost", "unavailable"] as const;
      const points = pointsFrom(0, 240);
      let refused = 0;
      for (let first = 0; first < points.length; first += 40) {
        let batch: readonly SinkRecord[] = [...points.slice(first, first + 40), harness.refused];
        for (let attempt = 0; batch.length > 0; attempt++) {
          if (attempt < 3) harness.failNext("write", faults[(attempt + first / 40) % 3] ?? "reset");
          const result = await adapter.send(batch, never);
          if (result.status === "ok") batch = [];
          if (result.status === "partial") batch = batch.slice(result.accepted);
          if (result.status === "permanent") {
            refused += result.rejected?.length ?? batch.length;
            batch = [];
          }
          harness.heal();
        }
      }
      expect(refused).toBe(6);
      expect(sorted((await onlyRun(run)).points)).toEqual(sorted(expected(points)));
    });

    test("counts what is shown, of the keys asked for", async () => {
      const { adapter } = await opened();
      expect(await adapter.count(["loss"], never)).toEqual({ points: 0, byKey: { loss: 0 } });
      await adapter.send(pointsFrom(0, 31), never);
      const both = await adapter.count(["loss", "metric/val acc"], never);
      expect(both).toEqual({ points: 31, byKey: { loss: 16, "metric/val acc": 15 } });
      expect(await adapter.count(["loss"], never)).toEqual({ points: 16, byKey: { loss: 16 } });
      expect(await adapter.count(["loss"], AbortSignal.abort())).toBeUndefined();
    });

    const endings = [
      [{ state: "completed", reason: "" }, "completed"],
      [{ state: "failed", reason: "ValueError: bad" }, "failed"],
      [{ state: "failed", reason: "killed" }, "killed"],
    ] as const;
    for (const [how, state] of endings) {
      test(`ends a run as ${state}, and again`, async () => {
        const { adapter, run, open } = await opened();
        const end = { ...how, endedAtUs: 1_760_000_009_000_000 };
        harness.failNext("write", "answerLost");
        expect(["retry", "ok"]).toContain((await adapter.finish(end, never)).status);
        expect(await adapter.finish(end, never)).toEqual({ status: "ok" });
        const next = connect();
        await next.open(run, open.memo, never);
        expect(await next.finish(end, never)).toEqual({ status: "ok" });
        expect((await onlyRun(run)).state).toBe(state);
      });
    }
  });
}
