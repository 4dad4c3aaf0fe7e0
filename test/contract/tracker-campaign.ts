/** Contract: faults by chance, restarts among them, on the adapter itself. The seed is in the test's name. */

import type { AdapterMemo, SinkRecord } from "@pipekit/adapters/tracker";
import { describe, expect, test } from "vitest";
import { seeded } from "../support/random.ts";
import type { ToolFault } from "./tracker-harness.ts";
import { oneOf, pointsFrom, SEED, START_US } from "./tracker-records.ts";
import { faultsOf, type Suite } from "./tracker-suite.ts";

const BATCHES = 18;
/** Of which only an abort would free a call. */
const ENDLESS: readonly ToolFault[] = ["hang"];

export function describeCampaign(suite: Suite): void {
  describe("a network that fails by chance", () => {
    test(`accepted and refused make up what was sent (seed ${SEED})`, async () => {
      const { harness } = suite;
      const random = seeded(SEED);
      const faults = faultsOf(harness).filter((fault) => !ENDLESS.includes(fault));
      const fail = () => {
        harness.heal();
        if (faults.length > 0 && random() < 0.6) harness.failNext("write", oneOf(faults, random));
      };
      const driver = await suite.open();
      const sent = [];
      let refusedOnPurpose = 0;
      let saved: { memo: AdapterMemo; points: number } = { memo: driver.memo, points: 0 };
      for (let round = 0; round < BATCHES; round++) {
        const first = sent.length;
        const fresh = pointsFrom(first, 1 + Math.floor(random() * 60));
        const { refused } = harness;
        const poison: SinkRecord[] = refused !== undefined && random() < 0.3 ? [refused] : [];
        refusedOnPurpose += poison.length;
        sent.push(...fresh);
        await driver.deliver([...fresh, ...poison], fail);
        if (random() < 0.25) {
          // The daemon dies: what was settled since the last saved cursor is sent again, in other pieces.
          harness.heal();
          await driver.restart(saved.memo);
          const again = sent.slice(saved.points);
          const middle = Math.floor(random() * again.length);
          await driver.deliver(again.slice(0, middle), fail);
          await driver.deliver(again.slice(middle), fail);
        }
        if (random() < 0.5) saved = { memo: driver.memo, points: sent.length };
      }
      const end = { state: "completed", reason: "", endedAtUs: START_US + 60_000_000 } as const;
      const gentle = faults.filter((fault) => fault !== "refusal" && fault !== "tooLarge");
      await driver.finish(end, () => {
        harness.heal();
        if (gentle.length > 0 && random() < 0.6) harness.failNext("write", oneOf(gentle, random));
      });
      harness.heal();
      const dead = new Set(driver.refused.filter((record) => record !== harness.refused));
      if (harness.refused?.kind === "point") {
        expect(driver.refused.filter((record) => record === harness.refused)).toHaveLength(refusedOnPurpose);
      }
      const numbers = new Set([...dead].map(({ step }) => step));
      // A point that was refused in one life of the daemon may have been taken in another.
      const shown = await driver.shown();
      const taken = new Set(shown.points.map(({ step }) => step));
      await driver.expectShown(sent.filter(({ step }) => !numbers.has(step) || taken.has(step)));
    });
  });
}
