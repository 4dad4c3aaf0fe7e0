/** Contract: what a tool shows of what was sent, while all goes well. */

import type { SinkRecord } from "@pipekit/adapters/tracker";
import { describe, expect, test } from "vitest";
import { never } from "./tracker-driver.ts";
import { type PointRecord, pointAt, pointsFrom, START_US, shownOf } from "./tracker-records.ts";
import type { Suite } from "./tracker-suite.ts";

export function describeShown(suite: Suite): void {
  describe("what is shown", () => {
    test("is what was sent", async () => {
      const driver = await suite.open();
      const { harness } = suite;
      const again = await driver.open();
      const points = pointsFrom(0, 40);
      const batch: SinkRecord[] = [
        { kind: "params", params: { lr: "0.1", "model.depth": "3" } },
        ...points,
        { kind: "tags", tags: { stage: "dev" } },
      ];
      expect(await driver.adapter.send(batch, never)).toEqual({ status: "ok" });
      const shown = await driver.expectShown(points);
      expect(shown.params).toEqual({ lr: "0.1", "model.depth": "3" });
      expect(shown.tags).toMatchObject({ stage: "dev", team: "red" });
      expect(shown.state).toBe(harness.shownState?.running ?? "running");
      expect(again.remoteId).not.toBe("");
      expect(again.remoteUrl).toMatch(harness.remoteUrl ?? /^https?:/);
      expect(driver.adapter.takeNotes()).toEqual([]);
    });

    test("opening again gives the same run, with its memo or without", async () => {
      const driver = await suite.open();
      const first = await driver.open();
      const { memo } = driver;
      for (const known of [{}, JSON.parse(JSON.stringify(memo)), { unreadable: 1 }]) {
        const again = await driver.restart(known);
        expect(again).toMatchObject({ remoteId: first.remoteId, remoteUrl: first.remoteUrl });
      }
      await driver.shown();
    });

    test("properties are constant, and a spec parses to itself and names no secret", async () => {
      const driver = await suite.open();
      const { kind, spec, secrets } = suite.harness;
      const before = { ...driver.adapter.properties };
      await driver.deliver(pointsFrom(0, 4));
      expect(driver.adapter.properties).toEqual(before);
      await driver.restart();
      expect(driver.adapter.properties).toEqual(before);
      expect(kind.parse(spec)).toBe(spec);
      for (const secret of secrets?.() ?? []) expect(spec + kind.throttleKey(spec)).not.toContain(secret);
    });

    test("late, equal and falling steps are shown, each once", async () => {
      const driver = await suite.open();
      const steps = [5, 6, 3, 3, 9, 0, 9, 12, 1];
      const points = steps.flatMap((step, at) => [
        pointAt("jumpy", step, at / 4, at),
        pointAt("steady", at, at / 8, at),
      ]);
      // In two batches: a step may fall between them, and within one.
      await driver.deliver(points.slice(0, 9));
      await driver.deliver(points.slice(9));
      await driver.expectShown(points);
      const count = await driver.adapter.count(["jumpy"], never);
      const jumpy = points.filter(({ key }) => key === "jumpy");
      expect(count?.byKey).toEqual({ jumpy: shownOf(jumpy, driver.adapter.properties).length });
    });

    test("points that are equal in all are shown as often as they were logged", async (context) => {
      const driver = await suite.open();
      context.skip(!driver.adapter.properties.keepsEqualSteps, "the tool keeps one point of a step");
      const twin = (afterUs: number): PointRecord => ({
        ...pointAt("twin", 3, 0.5),
        timeUs: START_US + afterUs,
      });
      // Some of them by the same microsecond, all but one in the same millisecond.
      await driver.deliver([twin(0), twin(0), pointAt("twin", 4, 0.5), twin(1)]);
      await driver.deliver([twin(2), twin(2), twin(2000)]);
      const { points } = await driver.shown();
      expect(points.map(({ step }) => step).sort()).toEqual([3, 3, 3, 3, 3, 3, 4]);
    });

    test("the largest steps and the values at the ends of doubles are shown", async (context) => {
      const driver = await suite.open();
      context.skip(driver.adapter.properties.monotonicSteps, "an own x-axis is asked for above");
      const steps = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 40];
      const points = steps.map((step, at) => pointAt("far", step, at / 4, at));
      await driver.deliver(points);
      await driver.expectShown(points);
    });

    test("NaN and infinities are kept, replaced or refused, as declared", async () => {
      const driver = await suite.open();
      const values = [1, Number.NaN, Number.POSITIVE_INFINITY, 2, Number.NEGATIVE_INFINITY, 3];
      const points = values.map((value, step) => pointAt("odd", step, value, step));
      const { nonFinite } = driver.adapter.properties;
      const result = await driver.adapter.send(points, never);
      driver.settle(points, result);
      const asShown = suite.harness.shownNonFinite ?? ((value: number) => value);
      if (nonFinite === "refused") {
        expect(result).toMatchObject({ status: "permanent", rejected: [1, 2, 4] });
        await driver.expectShown(points.filter(({ value }) => Number.isFinite(value)));
        return;
      }
      expect(result).toEqual({ status: "ok" });
      await driver.expectShown(
        points.map((one) => (Number.isFinite(one.value) ? one : { ...one, value: asShown(one.value) })),
      );
      if (nonFinite === "replaced") expect(driver.notes.join(" ")).toMatch(/NaN|infinit/i);
    });

    test("a batch as large as the properties allow is taken by one call", async () => {
      const driver = await suite.open();
      const { maxPoints, maxRecords } = driver.adapter.properties;
      const points = pointsFrom(0, Math.min(maxPoints, maxRecords, 5000));
      expect(await driver.adapter.send(points, never)).toEqual({ status: "ok" });
      await driver.expectShown(points);
    });

    test("an empty batch is taken, and changes nothing", async () => {
      const driver = await suite.open();
      driver.saveMemo();
      expect(await driver.adapter.send([], never)).toEqual({ status: "ok" });
      expect(driver.adapter.takeMemo()).toBeUndefined();
      await driver.expectShown([]);
    });

    test("a record that the tool refuses is named, and the others are taken", async (context) => {
      const { refused } = suite.harness;
      context.skip(refused === undefined, "the tool refuses nothing");
      if (refused === undefined) return;
      const driver = await suite.open();
      const points = pointsFrom(0, 25);
      const batch = [...points.slice(0, 9), refused, ...points.slice(9)];
      const result = await driver.adapter.send(batch, never);
      expect(result).toMatchObject({ status: "permanent", rejected: [9] });
      if (result.status === "permanent") expect(result.reason.length).toBeGreaterThan(10);
      driver.settle(batch, result);
      await driver.expectShown(points);
    });

    test("counts what is shown, of the keys asked for", async () => {
      const driver = await suite.open();
      const { adapter } = driver;
      expect(await adapter.count(["loss"], never)).toEqual({ points: 0, byKey: { loss: 0 } });
      expect(await adapter.count([], never)).toEqual({ points: 0, byKey: {} });
      await driver.deliver(pointsFrom(0, 31));
      const both = await adapter.count(["loss", "metric/val acc"], never);
      expect(both).toEqual({ points: 31, byKey: { loss: 16, "metric/val acc": 15 } });
      expect(await adapter.count(["loss", "none"], never)).toEqual({
        points: 16,
        byKey: { loss: 16, none: 0 },
      });
      expect(await adapter.count(["loss"], AbortSignal.abort())).toBeUndefined();
    });

    test.each([
      [{ state: "completed", reason: "" }, "completed"],
      [{ state: "failed", reason: "ValueError: bad" }, "failed"],
      [{ state: "failed", reason: "killed" }, "killed"],
    ] as const)("ends a run as %o, and again", async (how, state) => {
      const driver = await suite.open();
      await driver.deliver(pointsFrom(0, 6));
      const end = { ...how, endedAtUs: START_US + 9_000_000 };
      const { memo } = driver;
      await driver.finish(end);
      expect(await driver.adapter.finish(end, never)).toEqual({ status: "ok" });
      const shown = await driver.expectShown(pointsFrom(0, 6));
      expect(shown.state).toBe(suite.harness.shownState?.[state] ?? state);
      // Its memo may not have been saved before the daemon died.
      await driver.restart(memo);
      await driver.finish(end);
      expect((await driver.expectShown(pointsFrom(0, 6))).state).toBe(
        suite.harness.shownState?.[state] ?? state,
      );
    });
  });
}
