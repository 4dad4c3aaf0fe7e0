import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { browserMissing } from "../support/browser.ts";
import { madeBrief } from "./made-up.ts";
import { brief, type RunsStage, stageOfRuns } from "./runs-stage.ts";

describe.skipIf(browserMissing)("the page about runs", () => {
  let stage: RunsStage;

  beforeAll(async () => {
    stage = await stageOfRuns();
  });

  beforeEach(() => stage.begin());

  afterAll(() => stage[Symbol.asyncDispose]());

  const list = () => stage.page.getByRole("grid", { name: "Runs" });

  test("lists runs, filters them as one types, and goes to one by keyboard alone", async () => {
    const { page } = stage;
    expect(await list().getAttribute("aria-rowcount")).toBe("501");
    expect(await page.locator(".list-body [role=row]").count()).toBeLessThan(60);
    await page.keyboard.press("/");
    await page.keyboard.type("run 12");
    await expect.poll(() => page.locator(".count").textContent()).toBe("15 runs of 500, 0 running");
    await page.getByLabel("State of runs").selectOption("failed");
    await expect.poll(() => page.locator(".count").textContent()).toBe("2 runs of 500, 0 running");
    await page.getByLabel("Filter runs").fill("");
    await page.getByLabel("State of runs").selectOption("");
    await list().focus();
    await page.keyboard.press("End");
    await stage.row("run 0").waitFor();
    await page.keyboard.press("ArrowUp");
    const active = await list().getAttribute("aria-activedescendant");
    expect(await page.locator(`#${active}`).getAttribute("aria-rowindex")).toBe("500");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.title()).toBe("run 1 · pipekit");
  });

  test("a run that changes moves in the list at once, and a new one stands at its top", async () => {
    stage.tell("pipekit/runStatus", { runs: [{ ...brief(499), state: "failed", points: 4321 }], all: false });
    await stage.row("run 499").getByText("4,321").waitFor();
    stage.tell("pipekit/runStatus", {
      runs: [madeBrief(1000, { name: "brand new", state: "running" })],
      all: false,
    });
    await expect.poll(() => stage.page.locator("[data-index='0']").textContent()).toContain("brand new");
  });

  test("shows a run: state, sinks, config to be searched, artifacts, and charts in groups", async () => {
    const { page } = stage;
    await stage.openRun(3);
    await page.getByRole("table", { name: "Sinks" }).getByText("mlflow+http").waitFor();
    await page.getByText("Config and params").click();
    await page.getByLabel("Search in config and params").fill("model.lr");
    await page.getByText("1 found").waitFor();
    await page.getByText("Artifacts", { exact: true }).click();
    await page.getByText("weights.bin").waitFor();
    const titles = await page.locator(".group h3").allTextContents();
    expect(titles).toEqual(["metrics", "val", "system"]);
    expect(await stage.chart("system/cpu").isVisible()).toBe(false);
    await page.getByLabel("Filter metrics").fill("acc");
    expect(await stage.chart("loss").isVisible()).toBe(false);
    expect(await stage.chart("val/acc").isVisible()).toBe(true);
    expect(await stage.summary("val/acc")).toEqual(["0", "0", "100", "101"]);
  });

  test("compares what was selected by keyboard, by line and not by colour alone", async () => {
    const { page } = stage;
    await list().focus();
    for (const key of ["Space", "ArrowDown", "ArrowDown", "Space", "c"]) await page.keyboard.press(key);
    await page.getByRole("heading", { name: "Comparison of 2 runs" }).waitFor();
    const params = page.getByRole("table", { name: "Params" });
    await params.getByText("model.lr").waitFor();
    expect(await params.getByText("seed").count()).toBe(0);
    await page.getByLabel("also those that are the same").check();
    await params.getByText("seed").waitFor();
    await page.locator("[data-drawn]").first().waitFor();
    const names = await stage.chart("loss").locator("tbody th").allTextContents();
    expect(names).toEqual(["run 499", "run 497"]);
    const dashes = stage.chart("loss").locator("tbody line");
    const shapes = await Promise.all([0, 1].map((line) => dashes.nth(line).getAttribute("stroke-dasharray")));
    expect(new Set(shapes).size).toBe(2);
  });
});
