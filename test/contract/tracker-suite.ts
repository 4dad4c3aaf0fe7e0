/** What the parts of the tracker contract suite share while it runs. */

import type { SinkRun } from "@pipekit/adapters/tracker";
import type { TestContext } from "vitest";
import type { Driver } from "./tracker-driver.ts";
import { NETWORK_FAULTS, type ToolFault, type TrackerHarness } from "./tracker-harness.ts";

/** The suite of one tool. */
export interface Suite {
  /** There while tests run. */
  readonly harness: TrackerHarness;
  /** A run, opened at the tool by an adapter of its own, which the suite closes. */
  open(run?: SinkRun): Promise<Driver>;
}

/** What the harness can make go wrong. */
export function faultsOf(harness: TrackerHarness): readonly ToolFault[] {
  return harness.faults ?? NETWORK_FAULTS;
}

/** Leaves a test out where the tool cannot have the fault. */
export function needsFault({ harness }: Suite, fault: ToolFault, test: TestContext): void {
  test.skip(!faultsOf(harness).includes(fault), `the tool cannot have the fault ${fault}`);
}
