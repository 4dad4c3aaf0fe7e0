/** Contract: one request fails, in each way in which it can, and is made again. */

import type { SinkRecord } from "@pipekit/adapters/tracker";
import { describe, expect, test } from "vitest";
import { never } from "./tracker-driver.ts";
import { DISK_FAULTS, HTTP_FAULTS, type ToolFault } from "./tracker-harness.ts";
import { newRun, pointsFrom, START_US } from "./tracker-records.ts";
import { faultsOf, needsFault, type Suite } from "./tracker-suite.ts";

/** What an adapter may answer when a write fails so. It may repeat by itself what a dead connection has swallowed. */
const ANSWERS: Readonly<Record<ToolFault, readonly string[]>> = {
  unavailable: ["retry"],
  rateLimited: ["retry"],
  rateLimitedFor: ["retry"],
  rateLimitedUntil: ["retry"],
  serverError: ["retry"],
  htmlPage: ["retry"],
  htmlError: ["retry"],
  redirect: ["retry"],
  redirectAway: ["retry"],
  unauthorized: ["retry", "ok"],
  truncated: ["retry"],
  hang: ["retry"],
  reset: ["retry", "ok"],
  answerLost: ["retry", "ok"],
  resetRequest: ["retry", "ok"],
  resetAnswer: ["retry", "ok"],
  slow: ["ok"],
  tooLarge: ["ok", "partial"],
  halfAccepted: ["retry", "partial"],
  refusal: ["ok", "partial", "permanent"],
  diskFull: ["retry", "partial"],
  readOnly: ["retry", "partial"],
};

/** Milliseconds that the tool names, from and to. A date has whole seconds, and time passes. */
const TIMES: Partial<Readonly<Record<ToolFault, readonly [number, number]>>> = {
  unavailable: [7000, 7000],
  rateLimitedFor: [7000, 7000],
  rateLimitedUntil: [3000, 7000],
};

/** Faults that end a call by themselves. */
const PASSING = [...HTTP_FAULTS, ...DISK_FAULTS].filter((fault) => fault !== "hang");

export function describeFaults(suite: Suite): void {
  describe("a request that fails", () => {
    test.for(PASSING)("is a create (%s): repeated, it makes one run", async (fault, context) => {
      needsFault(suite, fault, context);
      const { harness } = suite;
      await using closing = new AsyncDisposableStack();
      const run = newRun();
      const adapter = harness.connect();
      closing.defer(() => adapter.close());
      harness.failNext("create", fault);
      const first = await adapter.open(run, undefined, never);
      const once = { refusal: ["permanent", "retry"], tooLarge: ["permanent", "retry"], slow: ["ok"] };
      const allowed = { ...ANSWERS, ...once, halfAccepted: ["retry"] }[fault];
      expect(allowed, JSON.stringify(first)).toContain(first.status);
      harness.heal();
      const driver = await suite.open(run);
      await driver.shown();
    });

    test.for(PASSING)("is a write (%s): repeated, it is shown once", async (fault, context) => {
      needsFault(suite, fault, context);
      const { harness } = suite;
      const driver = await suite.open();
      const points = pointsFrom(0, 60);
      await driver.deliver(points.slice(0, 20));
      const batch: SinkRecord[] = [...points.slice(20, 50), { kind: "params", params: { a: "1" } }];
      harness.failNext("write", fault);
      const result = await driver.adapter.send(batch, never);
      expect(ANSWERS[fault], JSON.stringify(result)).toContain(result.status);
      const times = TIMES[fault];
      if (times !== undefined && result.status === "retry") {
        expect(result.afterMs).toBeGreaterThanOrEqual(times[0]);
        expect(result.afterMs).toBeLessThanOrEqual(times[1]);
      }
      harness.heal();
      await driver.deliver(driver.settle(batch, result));
      await driver.deliver(points.slice(50));
      // A whole request refused for good takes its points with it, all of them accounted for.
      if (fault !== "refusal") expect(driver.refused).toEqual([]);
      const { params } = await driver.expectShown(points.filter((point) => !driver.refused.includes(point)));
      if (driver.refused.length === 0 && fault !== "refusal") expect(params).toEqual({ a: "1" });
      expect(harness.foreign?.() ?? []).toEqual([]);
    });

    test.for(PASSING)("is the end (%s): repeated, the run has ended", async (fault, context) => {
      needsFault(suite, fault, context);
      const { harness } = suite;
      const driver = await suite.open();
      harness.failNext("write", fault);
      const end = { state: "failed", reason: "out of memory", endedAtUs: START_US + 9_000_000 } as const;
      const result = await driver.adapter.finish(end, never);
      if (!["refusal", "tooLarge"].includes(fault)) expect(["retry", "ok"]).toContain(result.status);
      harness.heal();
      await driver.finish(end);
      const shown = await driver.shown();
      expect(shown.state).toBe(harness.shownState?.failed ?? "failed");
    });

    test("is a count: the count is right, or unknown", async (context) => {
      const { harness } = suite;
      context.skip(harness.failNextRead === undefined, "the tool is not asked");
      const driver = await suite.open();
      await driver.deliver(pointsFrom(0, 12));
      const right = { points: 12, byKey: { loss: 6, "metric/val acc": 6 } };
      for (const fault of PASSING.filter((one) => faultsOf(harness).includes(one))) {
        harness.failNextRead?.(fault);
        const count = await driver.adapter.count(Object.keys(right.byKey), never);
        if (count !== undefined) expect(count, fault).toEqual(right);
        harness.heal();
      }
      expect(await driver.adapter.count(Object.keys(right.byKey), never)).toEqual(right);
    });

    test("hangs: a call ends soon after its abort, and can be repeated", async (context) => {
      needsFault(suite, "hang", context);
      const driver = await suite.open();
      const points = pointsFrom(0, 10);
      suite.harness.failNext("write", "hang");
      const abort = new AbortController();
      const pending = driver.adapter.send(points, abort.signal);
      setTimeout(() => abort.abort(), 100);
      const started = performance.now();
      expect(await pending).toMatchObject({ status: "retry" });
      expect(performance.now() - started).toBeLessThan(1000);
      suite.harness.heal();
      expect(await driver.adapter.send(points, AbortSignal.abort())).toMatchObject({ status: "retry" });
      await driver.deliver(points);
      await driver.expectShown(points);
    });

    test("hangs while the run is opened or ended: the call ends soon after its abort", async (context) => {
      needsFault(suite, "hang", context);
      const { harness } = suite;
      await using closing = new AsyncDisposableStack();
      const run = newRun();
      const adapter = harness.connect();
      closing.defer(() => adapter.close());
      harness.failNext("create", "hang");
      expect(await adapter.open(run, undefined, AbortSignal.timeout(100))).toMatchObject({ status: "retry" });
      harness.heal();
      const driver = await suite.open(run);
      harness.failNext("write", "hang");
      const end = { state: "completed", reason: "", endedAtUs: START_US } as const;
      expect(await driver.adapter.finish(end, AbortSignal.timeout(100))).toMatchObject({ status: "retry" });
      harness.heal();
      await driver.finish(end);
      expect((await driver.shown()).state).toBe(harness.shownState?.completed ?? "completed");
    });

    test("is too large: it is sent in smaller pieces, and only what cannot be divided is refused", async (context) => {
      const { harness } = suite;
      context.skip(harness.limitBody === undefined, "a request has one record, or there are none");
      const driver = await suite.open();
      const points = pointsFrom(0, 300);
      const batch: SinkRecord[] = [
        ...points.slice(0, 100),
        { kind: "params", params: { bulky: "b".repeat(9000) } },
        ...points.slice(100),
      ];
      harness.limitBody?.(4096);
      const result = await driver.adapter.send(batch, never);
      if (result.status !== "ok") expect(result).toMatchObject({ status: "permanent", rejected: [100] });
      driver.settle(batch, result);
      expect(driver.refused).toEqual([]);
      const { params } = await driver.expectShown(points);
      // Taken in a shorter form is as good, when a person is told.
      if (result.status === "ok") expect(driver.notes.join(" ")).toContain("bulky");
      else expect(params).toEqual({});
    });

    test("has credentials that have expired: it is taken once they are renewed", async (context) => {
      const { harness } = suite;
      context.skip(harness.expireCredentials === undefined, "the tool asks for no credentials");
      const driver = await suite.open();
      await driver.deliver(pointsFrom(0, 10));
      harness.expireCredentials?.();
      for (let tries = 0; tries < 3; tries++) {
        const result = await driver.adapter.send(pointsFrom(10, 10), never);
        expect(result).toMatchObject({
          status: "retry",
          reason: expect.stringMatching(/credential|key|token|40[13]/i),
        });
        driver.settle([], result);
      }
      expect(await driver.adapter.count(["loss"], never)).toBeUndefined();
      harness.renewCredentials?.();
      await driver.deliver(pointsFrom(10, 10));
      await driver.expectShown(pointsFrom(0, 20));
    });
  });
}
