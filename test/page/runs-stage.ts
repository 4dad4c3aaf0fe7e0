/** A stage on which there are 500 runs with four metrics each; run 7 goes on. */
import type { RunBrief } from "@pipekit/proto/editor";
import type { Locator } from "playwright-core";
import { hashOf, madeBrief, madePoints, madeRun, madeSink, runId, withMetrics } from "./made-up.ts";
import { type Stage, setStage } from "./stage.ts";

const KEYS = ["loss", "val/loss", "val/acc", "system/cpu"];
const BRIEFS = Array.from({ length: 500 }, (_, number) =>
  madeBrief(number, {
    state: number === 7 ? "running" : number % 5 === 0 ? "failed" : "completed",
    headline: { key: "loss", step: 1, value: number / 1000 },
    sinks: [madeSink()],
  }),
);
const LINE = Array.from({ length: 101 }, (_, step) => 100 - step);

const ANSWERS = {
  "pipekit/runs": () => ({ runs: BRIEFS, nextPageToken: "", total: BRIEFS.length }),
  "pipekit/run": ({ runId: wanted }: { runId: string }) => wholeRun(wanted),
  "pipekit/metrics": ({ runId, keys, fromStep = 0, toStep = 100 }: Asked) => ({
    runId,
    series: keys.map((key) => madePoints(key, LINE.slice(fromStep, toStep + 1), fromStep)),
  }),
  "pipekit/follow": ({ runId, keys }: Asked) => ({
    follow: "f1",
    runId,
    series: keys.map((key) => madePoints(key, LINE)),
  }),
};

/** A stage with ways to read what it shows. */
export interface RunsStage extends Stage {
  /** Gives all answers as they were, and opens the list of runs. */
  begin(): Promise<void>;
  openRun(number: number): Promise<void>;
  row(name: string): Locator;
  chart(key: string): Locator;
  /** Last, min, max and number of points of a metric, in words. */
  summary(key: string): Promise<string[]>;
}

export async function stageOfRuns(): Promise<RunsStage> {
  const stage = await setStage({});
  const { page } = stage;
  const row = (name: string) => page.getByRole("row", { name }).first();
  const chart = (key: string) => page.locator(`figure[data-metric="${key}"]`);
  return {
    ...stage,
    row,
    chart,
    summary: (key) => chart(key).locator("tbody td").allTextContents(),
    openRun: async (number) => {
      await stage.open(`#/run/${runId(number)}`);
      await page.locator("[data-drawn]").first().waitFor();
    },
    begin: async () => {
      Object.assign(stage.answers, ANSWERS);
      await page.goto("about:blank");
      await page.goto(`http://127.0.0.1:${stage.ui.port}/`);
      await row("run 499").waitFor();
    },
  };
}

export interface Asked {
  readonly runId: string;
  readonly keys: readonly string[];
  readonly fromStep?: number;
  readonly toStep?: number;
}

export function brief(number: number): RunBrief {
  return BRIEFS[number] as RunBrief;
}

function wholeRun(wanted: string) {
  const run = BRIEFS.find(({ runId }) => runId === wanted) as RunBrief;
  const files = [{ path: "weights.bin", sha256: hashOf("c"), size: 2048 }];
  return withMetrics(
    madeRun(run, {
      config: { model: { lr: run.points / 10 }, seed: 3 },
      artifacts: [{ name: "checkpoint", uri: "file:///x", files }],
    }),
    KEYS,
  );
}
