/** That what a golden state folder held is there: in the journal, in the registry, in the tool. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Client, RunState, SinkState } from "@pipekit/experiment";
import { expect } from "vitest";
import type { FakeMlflow } from "../support/fake-mlflow.ts";
import type { Golden } from "./golden.ts";

/** The value of a step, as write.py logged it. */
export const loss = (step: number) => step * 0.25 + 1;
/** In JSON, which trackers speak, -0 is 0. */
export const acc = (step: number) => 0 - 0.5 * step;
export const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

/** What the tool shows of a run: values by step, each once. */
function shown(of: FakeMlflow, runId: string) {
  const runs = of.runsOf(runId);
  expect(runs).toHaveLength(1);
  const points = runs[0]?.points ?? [];
  const valuesOf = (key: string) => {
    const series = points.filter((one) => one.key === key).toSorted((a, b) => a.step - b.step);
    expect(series.map(({ step }) => step)).toEqual(upTo(series.length));
    return series.map(({ value }) => value);
  };
  return { status: runs[0]?.status, loss: valuesOf("loss"), acc: valuesOf("acc") };
}

/** Every value is in the journal and in the tool, once. */
export async function checkRuns(
  from: Client,
  at: FakeMlflow,
  runs: { readonly [name: string]: string },
  steps: { readonly [name: string]: number },
): Promise<void> {
  for (const [name, runId] of Object.entries(runs)) {
    const count = steps[name] ?? 0;
    const values = { loss: upTo(count).map(loss), acc: upTo(count).map(acc) };
    const ended = name === "group" ? "RUNNING" : "FINISHED";
    expect(shown(at, runId), name).toEqual({ status: ended, ...values });
    const run = await from.getRun(runId);
    expect(run, name).toMatchObject({
      name,
      state: name === "group" ? RunState.RUN_STATE_RUNNING : RunState.RUN_STATE_COMPLETED,
    });
    if (name === "pruned") {
      expect(run).toMatchObject({ points: 2 * count, tags: { team: "eo" } });
      continue;
    }
    const series = await from.readSeries(runId, { keys: ["acc", "loss"] });
    const sorted = ({ steps: at, values: of }: (typeof series)[number]) =>
      [...at].map((step, i) => [step, of[i] ?? Number.NaN] as const).toSorted(([a], [b]) => a - b);
    expect(series.map((one) => [one.key, sorted(one).map(([, value]) => 0 + value)])).toEqual([
      ["acc", values.acc],
      ["loss", values.loss],
    ]);
  }
}

/** Weights, tags with their history, and digests. */
export async function checkModels(from: Client, { first = "", second = "" }: Golden["expected"]["models"]) {
  const registry = from.registry();
  expect((await registry.loadWeights(first)).toString()).toBe("2.0");
  expect((await registry.loadWeights("production")).toString()).toBe("0.5");
  expect((await registry.stat(first)).operatorJson).toContain('"m"');
  const moves = await Array.fromAsync(registry.history("production"));
  expect(moves.map(({ hash }) => hash).toSorted()).toEqual([first, second].toSorted());
  expect(await registry.resolve("production~1")).toBe(first);
  expect(await registry.resolve("candidate")).toBe(first);
  const findings = await Array.fromAsync(registry.verify());
  expect(findings).toMatchObject([{ problems: [] }, { problems: [] }]);
}

/** Config, tags, artifact, dead letters and members of a group. */
export async function checkFacts(
  from: Client,
  runs: Golden["expected"]["runs"],
  home: string,
): Promise<void> {
  const delivered = await from.getRun(runs["delivered"] ?? "");
  expect(JSON.parse(delivered.configJson)).toEqual({ lr: 0.5, net: { layers: 3 } });
  expect(delivered.tags).toEqual({ team: "eo", late: "yes" });
  expect(delivered.sinks).toMatchObject([{ state: SinkState.SINK_STATE_DONE, pointsDead: 2 }]);
  const [file] = delivered.artifacts[0]?.files ?? [];
  expect(file).toMatchObject({ path: "", size: 1400 });
  const { sha256 = "" } = file ?? {};
  const content = join(home, "state/content/sha256", sha256.slice(0, 2), sha256.slice(2));
  expect(existsSync(content)).toBe(true);
  const letters = await Array.fromAsync(from.delivery.deadLetters());
  expect(letters.map(({ runId }) => runId)).toEqual(letters.map(() => delivered.runId));
  expect(letters.reduce((sum, { points }) => sum + points, 0)).toBe(2);
  expect(letters[0]?.reason).toContain("Not this.");
  if (runs["group"] === undefined) return;
  const { group } = await from.getRun(runs["group"]);
  const ends = [RunState.RUN_STATE_RUNNING, RunState.RUN_STATE_COMPLETED];
  expect(group?.members.map(({ state }) => state)).toEqual(ends);
}
