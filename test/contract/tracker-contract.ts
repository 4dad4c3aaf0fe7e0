/**
 * What every tracker adapter must do, run against the real tool behind a network, or on a disk, that can be made to
 * fail: on the adapter itself, through the real delivery with a real journal, and through a started daemon.
 *
 * What a tool's harness gives is told in tracker-harness.ts; faults of HTTP are made by http-faults.ts. `$PKX_TEST_SEED`
 * repeats a run's chances.
 */

import type { TrackerAdapter } from "@pipekit/adapters/tracker";
import { afterAll, afterEach, beforeAll, describe } from "vitest";
import { describeArtifacts } from "./tracker-artifacts.ts";
import { describeCampaign } from "./tracker-campaign.ts";
import { describeDaemon } from "./tracker-daemon.ts";
import { describeDelivery } from "./tracker-delivery.ts";
import { Driver } from "./tracker-driver.ts";
import { describeFaults } from "./tracker-faults.ts";
import type { TrackerHarness } from "./tracker-harness.ts";
import { describeMemory } from "./tracker-memory.ts";
import { describeNames } from "./tracker-names.ts";
import { describeReplay } from "./tracker-replay.ts";
import { describeShown } from "./tracker-shown.ts";
import type { Suite } from "./tracker-suite.ts";

export type { NetworkFault, ShownPoint, ShownRun, TrackerHarness } from "./tracker-harness.ts";
export { pointsFrom } from "./tracker-records.ts";

const PARTS = [
  describeShown,
  describeNames,
  describeArtifacts,
  describeFaults,
  describeReplay,
  describeCampaign,
  describeMemory,
  describeDelivery,
  describeDaemon,
];

/** Runs the suite for one adapter. */
export function describeTrackerContract(name: string, makeHarness: () => Promise<TrackerHarness>): void {
  describe(`tracker contract: ${name}`, () => {
    let harness: TrackerHarness | undefined;
    const adapters: TrackerAdapter[] = [];

    beforeAll(async () => {
      harness = await makeHarness();
    });
    afterEach(async () => {
      harness?.heal();
      for (const adapter of adapters.splice(0)) await adapter.close();
    });
    afterAll(async () => await harness?.close());

    const suite: Suite = {
      get harness() {
        if (harness === undefined) throw new Error("The tool is not set up.");
        return harness;
      },
      open: (run) => Driver.open(suite.harness, adapters, run),
    };
    for (const part of PARTS) part(suite);
  });
}
