/** Contract: the same through a started daemon, over gRPC, with the tool failing while the run goes on. */

import { join } from "node:path";
import { connect } from "@pipekit/experiment";
import { describe, expect, test } from "vitest";
import { runUntil } from "../faults/trainer.ts";
import { startDaemon } from "../support/daemon.ts";
import { DISK_FAULTS, type ToolFault } from "./tracker-harness.ts";
import { expectPoints, type PointRecord } from "./tracker-records.ts";
import { QUICK } from "./tracker-room.ts";
import { faultsOf, type Suite } from "./tracker-suite.ts";

const STEPS = 1200;
/** A fault that passes by itself, in the order in which they are met; a hang costs a call's time limit. */
const OMITTED: readonly ToolFault[] = ["refusal", "tooLarge"];

export function describeDaemon(suite: Suite): void {
  describe("through a started daemon", () => {
    test("accepted and dead-lettered make up what was journaled, and the tool shows it", async () => {
      const { harness } = suite;
      const env = { ...harness.context?.env, PKX_TEST_LIMITS: JSON.stringify(QUICK) };
      const script = join(import.meta.dirname, "../faults/crashing-daemon.ts");
      const daemon = await startDaemon({ script, env });
      const client = await connect({ endpoint: daemon.endpoint });
      try {
        for (const fault of faultsOf(harness)) {
          if (!OMITTED.includes(fault)) harness.failNext("write", fault);
        }
        const run = await client.startRun({ config: { lr: 0.1 }, sinks: [harness.spec] });
        const points: PointRecord[] = [];
        for (let step = 0; step < STEPS; step++) {
          const timeUs = Date.now() * 1000;
          run.log({ loss: step / 8, accuracy: step / 4 }, step);
          points.push({ kind: "point", key: "loss", step, value: step / 8, timeUs });
          points.push({ kind: "point", key: "accuracy", step, value: step / 4, timeUs });
        }
        await run.end();
        if (faultsOf(harness).some((fault) => DISK_FAULTS.some((lasting) => lasting === fault))) {
          await runUntil(
            client,
            run.runId,
            ({ sinks }) => sinks.every(({ lastError }) => lastError !== ""),
            10_000,
          );
          harness.heal();
        }
        const done = await runUntil(client, run.runId, ({ sinks }) => sinks.every(isDone), 50_000);
        harness.heal();
        expect(done.sinks).toHaveLength(1);
        const { sinks } = await client.sinkStatus(run.runId);
        for (const sink of [...done.sinks, ...sinks]) {
          expect(sink.pointsSent + sink.pointsDead).toBe(points.length);
          expect(sink).toMatchObject({ pointsDead: 0, pointsShown: points.length, notes: [] });
        }
        const shown = await harness.show(run.runId);
        expect(shown).toHaveLength(1);
        const adapter = harness.connect();
        await adapter.close();
        // The client's clock is a little ahead of ours.
        const loose = { ...harness, timeResolutionMs: (harness.timeResolutionMs ?? 1) + 5000 };
        if (shown[0] !== undefined)
          await expectPoints(loose, run.runId, shown[0], points, adapter.properties);
        expect(shown[0]?.state).toBe(harness.shownState?.completed ?? "completed");
        const printed = daemon.stderr();
        for (const secret of harness.secrets?.() ?? []) expect(printed).not.toContain(secret);
      } finally {
        harness.heal();
        client.close();
        await daemon.stop();
      }
    });
  });
}

const isDone = (sink: { readonly pointsShown: number }): boolean => sink.pointsShown >= 0;
