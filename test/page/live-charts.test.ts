import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { browserMissing } from "../support/browser.ts";
import { madePoints, madeRun, runId, withMetrics } from "./made-up.ts";
import { type Asked, brief, type RunsStage, stageOfRuns } from "./runs-stage.ts";

describe.skipIf(browserMissing)("charts of a run", () => {
  let stage: RunsStage;

  beforeAll(async () => {
    stage = await stageOfRuns();
  });

  beforeEach(() => stage.begin());

  afterAll(() => stage[Symbol.asyncDispose]());

  const spoken = () => stage.page.locator("[aria-live=polite]").textContent();

  test("points that are told appear, also those that come before the answer to the follow", async () => {
    const told = (from: number, values: readonly number[], restart = false) =>
      stage.tell("pipekit/points", {
        follow: "f1",
        runId: runId(7),
        series: [madePoints("loss", values, from)],
        restart,
      });
    const answer = stage.answers["pipekit/follow"];
    stage.answers["pipekit/follow"] = async (params) => {
      told(101, [-1]);
      return (await answer?.(params)) as never;
    };
    await stage.openRun(7);
    await expect.poll(() => stage.summary("loss")).toEqual(["-1", "-1", "100", "102"]);
    told(102, [-2, -3]);
    await expect.poll(() => stage.summary("loss")).toEqual(["-3", "-3", "100", "104"]);
    told(0, [1], true);
    await expect.poll(() => stage.summary("loss")).toEqual(["1", "1", "1", "1"]);
  });

  test("a first metric takes the place of the word that there is none", async () => {
    const bare = madeRun(brief(7));
    stage.answers["pipekit/run"] = () => bare;
    await stage.open(`#/run/${runId(7)}`);
    await stage.page.getByText("No metrics yet").waitFor();
    stage.answers["pipekit/run"] = () => withMetrics(bare, ["loss"]);
    stage.tell("pipekit/runStatus", { runs: [{ ...brief(7), points: 1 }], all: false });
    await stage.chart("loss").waitFor();
  });

  test("zooms by drag into full detail for all charts, and shows all again at a double click", async () => {
    const { page, asked } = stage;
    await stage.openRun(3);
    const over = stage.chart("loss").locator(".u-over");
    const box = await over.boundingBox();
    if (box === null) throw new Error("The chart has no box.");
    const middle = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * 0.25, middle);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, middle, { steps: 4 });
    await page.mouse.up();
    await page.getByRole("button", { name: "Show all" }).waitFor();
    const zoomed = () =>
      asked.filter(({ params }) => "fromStep" in (params as object)).at(-1)?.params as Asked | undefined;
    await expect.poll(() => zoomed()?.keys.toSorted()).toEqual(["loss", "val/acc", "val/loss"]);
    expect(zoomed()?.fromStep).toBeCloseTo(25, -1);
    expect(zoomed()?.toStep).toBeCloseTo(50, -1);
    await over.dblclick();
    await page.getByRole("button", { name: "Show all" }).waitFor({ state: "hidden" });
  });

  test("the cursor goes by keys, stands in all charts, and its value is spoken", async () => {
    const { page } = stage;
    await stage.openRun(3);
    await stage.chart("loss").getByRole("application").focus();
    await page.keyboard.press("End");
    await page.keyboard.press("Shift+ArrowLeft");
    await expect.poll(spoken).toBe("step 90, 10");
    for (const key of ["loss", "val/acc"])
      expect(await stage.chart(key).locator(".tooltip").textContent()).toBe("step 9010");
    await page.keyboard.press("+");
    await page.getByRole("button", { name: "Show all" }).waitFor();
    await page.keyboard.press("0");
    await page.getByRole("button", { name: "Show all" }).waitFor({ state: "hidden" });
    await page.getByLabel("Smoothing").focus();
    await page.keyboard.press("End");
    await page.getByText("0.99", { exact: true }).waitFor();
    await page.getByLabel("X axis").selectOption("time");
    await page.getByLabel("log scale").check();
    await stage.chart("loss").getByText("1 at or below 0 have no place on a logarithmic axis").waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog").getByText("moves the cursor of a chart").waitFor();
    await page.keyboard.press("Escape");
  });

  test("values that are no finite numbers are a gap with a mark and a count", async () => {
    stage.answers["pipekit/metrics"] = ({ runId, keys = [] }) => ({
      runId,
      series: keys.map((key) => madePoints(key, key === "loss" ? [1, "NaN", "Infinity", 2] : ["NaN"])),
    });
    await stage.openRun(3);
    await stage.chart("loss").getByText("2 values are NaN or infinite").waitFor();
    expect(await stage.summary("loss")).toEqual(["2", "1", "2", "4"]);
    expect(await stage.summary("val/acc")).toEqual(["NaN", "NaN", "NaN", "1"]);
  });
});
