/** Contract: memory does not grow with what is sent. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { DISK_FAULTS } from "./tracker-harness.ts";
import { pointsFrom } from "./tracker-records.ts";
import { faultsOf, type Suite } from "./tracker-suite.ts";

const POINTS = 300_000;
/** What may stay after all is sent, bytes; the points as objects would be about 40 MB. */
const MOST_LEFT = 12 * 1024 * 1024;
/** Where each request goes to a server that cannot be left out. */
const FEWER_POINTS = 20_000;

let collect: (() => void) | undefined;

/** Bytes that live after a full collection. */
export function heapAfterGc(): number {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
  collect();
  return process.memoryUsage().heapUsed + process.memoryUsage().external;
}

export function describeMemory(suite: Suite): void {
  describe("memory", () => {
    test("does not grow with what is sent to a slow tool", async () => {
      const { harness } = suite;
      const driver = await suite.open();
      const isFolder = faultsOf(harness).every((fault) => DISK_FAULTS.some((one) => one === fault));
      const points = harness.swallow !== undefined || isFolder ? POINTS : FEWER_POINTS;
      harness.swallow?.(1);
      const { maxPoints, maxRecords } = driver.adapter.properties;
      const size = Math.min(maxPoints, maxRecords, 2000);
      const send = async (from: number, to: number) => {
        for (let first = from; first < to; first += size) await driver.deliver(pointsFrom(first, size));
      };
      // The first tenth loads code and fills caches that are bounded.
      await send(0, points / 10);
      const before = heapAfterGc();
      await send(points / 10, points);
      expect(heapAfterGc() - before).toBeLessThan(MOST_LEFT);
    });
  });
}
