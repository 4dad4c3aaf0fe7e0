import type { JsonNumber } from "@pipekit/proto/editor";
import { describe, expect, test } from "vitest";
import { browserMissing } from "../support/browser.ts";
import { madeBrief, madePoints, madeRun, runId, withMetrics } from "./made-up.ts";
import { setStage } from "./stage.ts";

const LINES: Readonly<Record<string, readonly JsonNumber[]>> = {
  one: [1],
  zero: [0, 0, 0],
  negative: [-1, -2],
  huge: [1e308, -1e308, 1.7e308],
  hugest: [Number.MAX_VALUE, -Number.MAX_VALUE],
  tiny: [5e-324, 1e-300],
  spread: [5e-324, 1, 1.7e308],
  level: [1e300, 1e300],
  close: [1, 1 + Number.EPSILON],
  nothing: ["NaN", "Infinity"],
  none: [],
};

/** Steps as far apart as numbers are exact. */
const FAR = [0, Number.MAX_SAFE_INTEGER];

describe.skipIf(browserMissing)("values at the ends of what numbers are", () => {
  test("are drawn, linear and logarithmic, along steps and time, and nothing hangs", async () => {
    const keys = [...Object.keys(LINES), "far"];
    const run = withMetrics(madeRun(madeBrief(1)), keys);
    await using stage = await setStage(
      {
        "pipekit/runs": () => ({ runs: [run], nextPageToken: "", total: 1 }),
        "pipekit/run": () => run,
        "pipekit/metrics": ({ runId, keys: wanted = [] }) => ({
          runId,
          series: wanted.map((key) =>
            key === "far" ? { ...madePoints(key, [1, 2]), steps: FAR } : madePoints(key, LINES[key] ?? []),
          ),
        }),
      },
      { viewport: { width: 1400, height: 2000 } },
    );
    const { page } = stage;
    await stage.open(`#/run/${runId(1)}`);
    const drawn = () => page.locator("figure[data-drawn] canvas").count();
    await expect.poll(drawn, { timeout: 10_000 }).toBe(keys.length);
    await page.getByLabel("log scale").check();
    await expect.poll(drawn).toBe(keys.length);
    await page.getByLabel("X axis").selectOption("time");
    await page.getByLabel("log scale").uncheck();
    await page.getByLabel("Smoothing").fill("0.9");
    for (const key of keys) {
      const chart = page.locator(`figure[data-metric="${key}"]`);
      await chart.getByRole("application").focus();
      for (const press of ["Home", "ArrowRight", "+", "+", "-", "0", "End"]) await page.keyboard.press(press);
    }
    await expect.poll(drawn).toBe(keys.length);
  });
});
