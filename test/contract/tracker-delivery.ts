/** Contract: the real journal and the real delivery bring a run to the tool, whatever the tool and the daemon do. */

import { RunState } from "@pipekit/proto";
import { describe, expect, test } from "vitest";
import { seeded } from "../support/random.ts";
import { recordOf } from "./tracker-frames.ts";
import type { ToolFault } from "./tracker-harness.ts";
import { heapAfterGc } from "./tracker-memory.ts";
import { expectPoints, oneOf, type PointRecord, pointsFrom, SEED } from "./tracker-records.ts";
import { ToolRoom } from "./tracker-room.ts";
import { faultsOf, type Suite } from "./tracker-suite.ts";

/** Points of each run of a campaign, and of one batch. */
const POINTS = 600;
const BATCH = 60;
/** Times that a run is resumed. */
const RESUMES = 6;
/** Points after which each run has a record that the tool refuses. */
const POISON_EVERY = 200;

/** Growth that a long backlog may cause while it is sent, bytes: some batches and what was read ahead. */
const MOST_GROWTH = 40 * 1024 * 1024;
const BACKLOG = 100_000;
/** Times that memory is looked at. */
const LOOKS = 5;

export function describeDelivery(suite: Suite): void {
  describe("through delivery and journal", () => {
    const campaign = async (room: ToolRoom, runs: number): Promise<void> => {
      const { harness } = suite;
      const { refused } = harness;
      const ids = await Promise.all(Array.from({ length: runs }, () => room.start()));
      for (let first = 0; first < POINTS; first += 100) {
        for (const id of ids) {
          await room.log(id, pointsFrom(first, 100));
          if (refused !== undefined && first % POISON_EVERY === 0) await room.append(id, [recordOf(refused)]);
        }
      }
      for (const id of ids) await room.end(id);
      for (const id of ids) {
        const sink = await room.until(id, ({ state }) => state === "done");
        harness.heal();
        await expectAllAccounted(room, id, pointsFrom(0, POINTS));
        if (refused !== undefined) {
          const letters = await room.deadLetters(id);
          expect(letters.length).toBeGreaterThanOrEqual(POINTS / POISON_EVERY);
        }
        expect(sink.notes.filter((note) => /differ|journaled/.test(note))).toEqual([]);
      }
    };

    /** Accepted and dead-lettered are what was journaled; the tool shows the accepted, each once, in order. */
    const expectAllAccounted = async (room: ToolRoom, runId: string, points: readonly PointRecord[]) => {
      const { harness } = suite;
      const sink = await room.sink(runId);
      const { points: journaled } = await room.journal.run(runId);
      const letters = await room.deadLetters(runId);
      const dead = letters.reduce((sum, letter) => sum + letter.points, 0);
      expect({ sent: sink.pointsSent + sink.pointsDead, dead }).toEqual({
        sent: journaled,
        dead: sink.pointsDead,
      });
      for (const { reason } of letters) expect(reason.length).toBeGreaterThan(5);
      const text = JSON.stringify([sink, letters]);
      for (const secret of harness.secrets?.() ?? []) expect(text).not.toContain(secret);
      const all = await harness.show(runId);
      expect(all).toHaveLength(1);
      const [shown] = all;
      if (shown === undefined) return;
      expect(shown.points).toHaveLength(sink.pointsSent);
      if (sink.pointsShown !== -1) expect(sink.pointsShown).toBe(sink.pointsSent);
      const there = new Set(shown.points.map(({ step }) => step));
      await expectPoints(
        harness,
        runId,
        shown,
        points.filter(({ step }) => there.has(step)),
        room.properties,
      );
      // What is not there is a dead letter.
      expect(points.filter(({ step }) => !there.has(step)).length).toBeLessThanOrEqual(dead);
      if (!letters.some(({ kind }) => kind === "params")) expect(shown.params).toEqual({ lr: "0.1" });
      if (!letters.some(({ kind }) => kind === "end")) {
        expect(shown.state).toBe(harness.shownState?.completed ?? "completed");
      }
    };

    test(`any call may fail: two runs arrive whole (seed ${SEED})`, async () => {
      const { harness } = suite;
      const random = seeded(SEED + 1);
      let hangs = 2;
      const faults = faultsOf(harness);
      const gentle = faults.filter((fault) => fault !== "refusal" && fault !== "tooLarge");
      const fail = (call: "open" | "send" | "finish") => {
        harness.heal();
        if (faults.length === 0 || random() > 0.5) return;
        const fault: ToolFault = oneOf(call === "send" ? faults : gentle, random);
        if (fault === "hang" && hangs-- <= 0) return;
        harness.failNext(call === "open" ? "create" : "write", fault);
      };
      const room = await ToolRoom.open(harness, { before: fail, maxPoints: BATCH });
      try {
        await campaign(room, 2);
      } finally {
        harness.heal();
        await room.close();
      }
    });

    test(`the daemon dies at any point of a batch: nothing is lost or doubled (seed ${SEED})`, async () => {
      const random = seeded(SEED + 2);
      const crash = () => random() < 0.12;
      const room = await ToolRoom.open(suite.harness, { crash, maxPoints: BATCH });
      try {
        await campaign(room, 1);
        expect(room.lives).toBeGreaterThan(1);
      } finally {
        await room.close();
      }
    });

    test(`a run ends, is resumed, and the daemon dies around it (seed ${SEED})`, async () => {
      const random = seeded(SEED + 4);
      const room = await ToolRoom.open(suite.harness, { crash: () => random() < 0.1, maxPoints: BATCH });
      try {
        const runId = await room.start();
        for (let round = 0; round < RESUMES; round++) {
          await room.log(runId, pointsFrom(round * 100, 100));
          await room.end(runId, RunState.RUN_STATE_FAILED);
          const wait = random();
          if (wait < 0.4) await room.until(runId, ({ state }) => state === "done");
          else if (wait < 0.7) await room.until(runId, ({ pointsSent }) => pointsSent > round * 100);
          await room.resume(runId);
        }
        await room.log(runId, pointsFrom(RESUMES * 100, 100));
        await room.end(runId);
        const sink = await room.until(runId, ({ state }) => state === "done");
        await expectAllAccounted(room, runId, pointsFrom(0, (RESUMES + 1) * 100));
        expect(sink.notes.filter((note) => /differ|journaled/.test(note))).toEqual([]);
      } finally {
        await room.close();
      }
    });

    test(`the daemon dies and the tool fails (seed ${SEED})`, async () => {
      const { harness } = suite;
      const random = seeded(SEED + 3);
      const faults = faultsOf(harness).filter((fault) => !["hang", "refusal", "tooLarge"].includes(fault));
      const before = () => {
        harness.heal();
        if (faults.length > 0 && random() < 0.4) harness.failNext("write", oneOf(faults, random));
      };
      const room = await ToolRoom.open(harness, { crash: () => random() < 0.06, before, maxPoints: BATCH });
      try {
        await campaign(room, 1);
      } finally {
        harness.heal();
        await room.close();
      }
    });

    test("credentials expire in the middle of a run and are renewed", async (context) => {
      const { harness } = suite;
      context.skip(harness.expireCredentials === undefined, "the tool asks for no credentials");
      const room = await ToolRoom.open(harness, { maxPoints: BATCH });
      try {
        const runId = await room.start();
        await room.log(runId, pointsFrom(0, 300));
        await room.until(runId, ({ pointsSent }) => pointsSent === 300);
        harness.expireCredentials?.();
        await room.log(runId, pointsFrom(300, 300));
        await room.end(runId);
        const waiting = await room.until(runId, ({ state }) => state === "retrying");
        expect(waiting.lastError).toMatch(/credential|key|token|40[13]/i);
        harness.renewCredentials?.();
        await room.until(runId, ({ state }) => state === "done");
        await expectAllAccounted(room, runId, pointsFrom(0, 600));
      } finally {
        harness.heal();
        await room.close();
      }
    });

    test("a long backlog for a slow tool does not fill memory", async (context) => {
      const { harness } = suite;
      context.skip(harness.swallow === undefined, "the tool is not slow enough for one, or too slow");
      const room = await ToolRoom.open(harness);
      try {
        const runId = await room.start();
        for (let first = 0; first < BACKLOG; first += 20_000)
          await room.log(runId, pointsFrom(first, 20_000));
        const before = heapAfterGc();
        let most = 0;
        harness.swallow?.(2);
        for (let part = 1; part <= LOOKS; part++) {
          await room.until(runId, ({ pointsSent }) => pointsSent >= (BACKLOG * part) / LOOKS);
          most = Math.max(most, heapAfterGc() - before);
        }
        expect(most).toBeLessThan(MOST_GROWTH);
      } finally {
        harness.heal();
        await room.close();
      }
    });
  });
}
