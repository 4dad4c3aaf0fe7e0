/** Contract: what was sent is sent again, by the same adapter or by one that knows less. */

import type { AdapterMemo, SinkRecord } from "@pipekit/adapters/tracker";
import { describe, expect, test } from "vitest";
import { never } from "./tracker-driver.ts";
import type { ShownRun } from "./tracker-harness.ts";
import { pointsFrom, START_US } from "./tracker-records.ts";
import { faultsOf, needsFault, type Suite } from "./tracker-suite.ts";

export function describeReplay(suite: Suite): void {
  describe("a replay", () => {
    test("of a batch in other pieces is shown once", async () => {
      const driver = await suite.open();
      await driver.deliver(pointsFrom(0, 8));
      const before = driver.memo;
      const batch: SinkRecord[] = [...pointsFrom(8, 60), { kind: "params", params: { a: "1" } }];
      await driver.deliver(batch);
      if (driver.adapter.properties.idempotentReplay) await driver.deliver(batch);
      // With whatever memo where the tool itself knows points again, else with the memo of before.
      await driver.restart(driver.adapter.properties.idempotentReplay ? driver.memo : before);
      await driver.deliver(batch.slice(0, 25));
      await driver.deliver(batch.slice(25));
      await driver.deliver(pointsFrom(68, 5));
      const shown = await driver.expectShown(pointsFrom(0, 73));
      expect(shown.params).toEqual({ a: "1" });
    });

    test("of a shorter batch takes back what was there beyond it, or is followed by it", async () => {
      const driver = await suite.open();
      await driver.deliver(pointsFrom(0, 4));
      const before = driver.memo;
      await driver.deliver(pointsFrom(4, 40));
      await driver.restart(before);
      await driver.deliver(pointsFrom(4, 3));
      // It dies once more, and knows of the three.
      await driver.restart(driver.memo);
      for (let first = 7; first < 44; first += 10) {
        await driver.deliver(pointsFrom(first, Math.min(10, 44 - first)));
      }
      await driver.expectShown(pointsFrom(0, 44));
    });

    test("after the daemon died is shown once and in order, with what followed", async () => {
      const driver = await suite.open();
      const points = pointsFrom(0, 120);
      await driver.deliver(points.slice(0, 30));
      const saved = driver.memo;
      // The cursor behind this batch was never saved.
      await driver.deliver(points.slice(30, 70));
      await driver.restart(saved);
      await driver.deliver(points.slice(30, 35));
      await driver.deliver(points.slice(35, 90));
      await driver.deliver(points.slice(90));
      await driver.expectShown(points);
    });

    test("after the daemon died before its first cursor is shown once", async () => {
      const driver = await suite.open();
      const opened = driver.memo;
      await driver.deliver([{ kind: "params", params: { a: "1" } }, ...pointsFrom(0, 20)]);
      await driver.restart(opened);
      await driver.deliver([{ kind: "params", params: { a: "1" } }]);
      await driver.deliver(pointsFrom(0, 15));
      await driver.deliver(pointsFrom(15, 15));
      const shown = await driver.expectShown(pointsFrom(0, 30));
      expect(shown.params).toEqual({ a: "1" });
    });

    test("of a batch whose answer was lost, by the next adapter, is shown once", async (context) => {
      needsFault(suite, "answerLost", context);
      const { harness } = suite;
      const driver = await suite.open();
      await driver.deliver(pointsFrom(0, 10));
      const before = driver.memo;
      harness.failNext("write", "answerLost");
      await driver.adapter.send(pointsFrom(10, 30), never);
      harness.heal();
      await driver.restart(before);
      await driver.deliver(pointsFrom(10, 12));
      await driver.deliver(pointsFrom(22, 30));
      await driver.expectShown(pointsFrom(0, 52));
    });

    test("of all, with the memo of the open, again and again, is shown once", async () => {
      const driver = await suite.open();
      const opened: AdapterMemo = driver.memo;
      for (const pieces of [[50], [20, 30], [1, 48, 1], [50]]) {
        await driver.restart(opened);
        let first = 0;
        for (const count of pieces) {
          await driver.deliver(pointsFrom(first, count));
          first += count;
        }
      }
      await driver.expectShown(pointsFrom(0, 50));
    });

    test("after the end opens the run again, and ends it again", async () => {
      const driver = await suite.open();
      await driver.deliver(pointsFrom(0, 10));
      const before = driver.memo;
      await driver.deliver(pointsFrom(10, 10));
      const end = { state: "completed", reason: "", endedAtUs: START_US + 1_000_000 } as const;
      await driver.finish(end);
      await driver.restart(before);
      await driver.deliver(pointsFrom(10, 10));
      await driver.finish(end);
      // As a sink does whose dead letters are driven again after the end.
      await driver.restart();
      await driver.deliver(pointsFrom(20, 5));
      await driver.finish(end);
      const shown = await driver.expectShown(pointsFrom(0, 25));
      expect(shown.state).toBe(suite.harness.shownState?.completed ?? "completed");
    });
  });

  describe("a run that had ended and is resumed", () => {
    const failed = { state: "failed", reason: "ValueError: bad", endedAtUs: START_US + 1_000_000 } as const;
    const completed = { state: "completed", reason: "", endedAtUs: START_US + 2_000_000 } as const;
    const as = (state: ShownRun["state"]) => suite.harness.shownState?.[state] ?? state;

    test("is running again, and ends as it ends last; all points are shown once", async () => {
      const driver = await suite.open();
      await driver.deliver(pointsFrom(0, 10));
      await driver.finish(failed);
      expect((await driver.shown()).state).toBe(as("failed"));
      const first = driver.memo;
      for (let round = 1; round <= 3; round++) {
        const { remoteId } = await driver.resume();
        expect((await driver.shown()).state).toBe(as("running"));
        await driver.deliver(pointsFrom(10 * round, 10));
        expect((await driver.expectShown(pointsFrom(0, 10 * (round + 1)))).state).toBe(as("running"));
        await driver.finish(round === 2 ? failed : completed);
        expect((await driver.restart()).remoteId).toBe(remoteId);
        await driver.finish(round === 2 ? failed : completed);
      }
      const shown = await driver.expectShown(pointsFrom(0, 40));
      expect(shown.state).toBe(as("completed"));
      expect(shown.tags).toMatchObject({ team: "red" });
      const count = await driver.adapter.count(["loss", "metric/val acc"], never);
      expect(count).toEqual({ points: 40, byKey: { loss: 20, "metric/val acc": 20 } });
      expect(JSON.stringify(driver.memo).length).toBeLessThan(JSON.stringify(first).length + 512);
    });

    test("is whole wherever the daemon died around it", async () => {
      const driver = await suite.open();
      await driver.deliver(pointsFrom(0, 10));
      const before = driver.memo;
      await driver.deliver(pointsFrom(10, 10));
      // Nobody knows that the tool was told of the end.
      await driver.finish(failed);
      await driver.resume(before);
      expect((await driver.shown()).state).toBe(as("running"));
      await driver.deliver(pointsFrom(10, 10));
      await driver.finish(failed);
      const ended = driver.memo;
      // Nobody knows that it was resumed there, nor what was sent then.
      await driver.resume(ended);
      await driver.deliver(pointsFrom(20, 10));
      await driver.resume(ended);
      expect((await driver.shown()).state).toBe(as("running"));
      await driver.deliver(pointsFrom(20, 4));
      const some = driver.memo;
      await driver.deliver(pointsFrom(24, 6));
      await driver.resume(some);
      await driver.deliver(pointsFrom(24, 6));
      await driver.finish(completed);
      expect((await driver.expectShown(pointsFrom(0, 30))).state).toBe(as("completed"));
    });

    test("is opened again when the tool cannot answer at first", async (context) => {
      const { harness } = suite;
      const passing = faultsOf(harness).find((fault) => fault === "unavailable" || fault === "reset");
      context.skip(passing === undefined, "the tool cannot be away");
      if (passing === undefined) return;
      const driver = await suite.open();
      await driver.deliver(pointsFrom(0, 10));
      await driver.finish(failed);
      harness.failNext("write", passing);
      await driver.resume();
      await driver.deliver(pointsFrom(10, 10));
      expect(driver.setbacks).toBeGreaterThan(0);
      expect((await driver.expectShown(pointsFrom(0, 20))).state).toBe(as("running"));
    });
  });

  describe("a memo", () => {
    test("is told when it changes, and does not grow with what is sent", async () => {
      const driver = await suite.open();
      driver.saveMemo();
      expect(driver.adapter.takeMemo()).toBeUndefined();
      const sizes: number[] = [];
      for (let first = 0; first < 1200; first += 100) {
        await driver.deliver(pointsFrom(first, 100));
        expect(driver.adapter.takeMemo()).toBeUndefined();
        sizes.push(JSON.stringify(driver.memo).length);
      }
      // Numbers in it may get some digits longer.
      expect((sizes.at(-1) ?? 0) - (sizes[0] ?? 0)).toBeLessThan(256);
    });

    test("is bounded whatever keys and params were sent", async () => {
      const driver = await suite.open();
      // Driver checks the size of each memo.
      const params = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`p${i}`, "v".repeat(400)]));
      await driver.deliver([{ kind: "params", params }]);
      const long = Array.from({ length: 90 }, (_, i): SinkRecord => {
        return { kind: "point", key: `${"k".repeat(900)}@${i}`, step: i, value: i, timeUs: START_US + i };
      });
      await driver.deliver(long);
      expect((await driver.shown()).points).toHaveLength(90);
    });
  });
}
