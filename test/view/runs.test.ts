import { rmSync, symlinkSync } from "node:fs";
import type { Client } from "@pipekit/experiment";
import type { RunBrief } from "@pipekit/proto/editor";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openView, type View } from "../../daemon/view/index.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { closeScene, openScene, Watched } from "./watched.ts";

let daemon: TestDaemon;
let client: Client;
let view: View;

beforeEach(async () => {
  ({ daemon, client, view } = await openScene());
});

afterEach(() => closeScene({ daemon, client, view }));

/** Starts and ends so many runs, named `prefix-0` and so on. */
async function manyRuns(count: number, prefix: string): Promise<string[]> {
  const ids: string[] = [];
  for (let begin = 0; begin < count; begin += 100) {
    const some = Array.from({ length: Math.min(100, count - begin) }, async (_, i) => {
      const run = await client.startRun({ name: `${prefix}-${begin + i}` });
      await run.end("completed");
      return run.runId;
    });
    ids.push(...(await Promise.all(some)));
  }
  return ids;
}

test("2,000 runs are filled in, found, and read page by page", async () => {
  const ids = await manyRuns(2_000, "Old");
  await view.runs.ready();
  expect(view.runs.size).toBe(2_000);
  const newest = [...ids].sort().reverse();
  expect(view.runs.find("", 50).map(({ runId }) => runId)).toEqual(newest.slice(0, 50));
  expect(view.runs.find("old-1999", 5).map(({ name }) => name)).toEqual(["Old-1999"]);
  const [one = ""] = ids;
  expect(view.runs.find(one.slice(0, 24).toLowerCase(), 2000).map(({ runId }) => runId)).toContain(one);
  expect(view.runs.named("Old-7", 3).map(({ name }) => name)).toEqual(["Old-7"]);
  expect(view.runs.named("old-7", 3)).toEqual([]);
  const paged: string[] = [];
  for (let pageToken = ""; ; ) {
    const page = await view.ask("pipekit/runs", { limit: 700, pageToken });
    expect(page.total).toBe(2_000);
    paged.push(...page.runs.map(({ runId }) => runId));
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  expect(paged).toEqual(newest);
  expect(await view.ask("pipekit/runs", { nameContains: "LD-199", limit: 3 })).toMatchObject({ total: 11 });
  expect((await view.ask("pipekit/runs", { unfinished: true })).total).toBe(0);
});

test("runs that start, log and end are told, each a few times a second, with the metric that people look at", async () => {
  const watched = new Watched(view);
  watched.session.watch();
  const first = await watched.until("pipekit/runStatus", ({ all }) => all);
  expect(first.runs).toEqual([]);
  const run = await client.startRun({ name: "live" });
  for (let i = 0; i < 200; i++) {
    run.log({ "train/loss": 1 / (i + 1), accuracy: i, "system/cpu": 1 });
    await run.flush();
  }
  await run.end("failed", { reason: "out of luck" });
  const has = (state: RunBrief["state"], points: number) => (params: { runs: readonly RunBrief[] }) =>
    params.runs.some((one) => one.runId === run.runId && one.state === state && one.points === points);
  await watched.until("pipekit/runStatus", has("failed", 600));
  const told = watched.of("pipekit/runStatus").flatMap(({ runs }) => runs);
  expect(told.every(({ runId }) => runId === run.runId)).toBe(true);
  expect(told.at(-1)).toMatchObject({
    state: "failed",
    reason: "out of luck",
    headline: { key: "train/loss", step: 199, value: 1 / 200 },
  });
  expect(view.runs.get(run.runId)).toEqual(told.at(-1));
  // What is not asked for again keeps the metric that was told.
  expect((await view.ask("pipekit/runs", {})).runs[0]?.headline?.key).toBe("train/loss");
});

test("runs of the time without a connection are there after it, and nothing that was known is lost", async () => {
  const watched = new Watched(view);
  watched.session.watch();
  const [before = ""] = await manyRuns(1, "before");
  await watched.until("pipekit/runStatus", ({ runs }) => runs.some(({ runId }) => runId === before));
  await daemon.kill9();
  await watched.until("pipekit/daemonStatus", ({ state }) => state === "unavailable");
  expect((await view.ask("pipekit/runs", {})).runs.map(({ runId }) => runId)).toEqual([before]);
  daemon = await startDaemon({ home: daemon.home });
  // Ended before the view is back: no watch tells of these.
  await manyRuns(130, "between");
  await vi.waitFor(() => expect(view.runs.size).toBe(131), { timeout: 15_000 });
  expect(watched.of("pipekit/runStatus").filter(({ all }) => all)).toHaveLength(1);
});

test("where another daemon answers at the endpoint, all that was known is forgotten and told anew", async () => {
  const endpoint = daemon.endpoint;
  const moved = openView({ endpoint });
  const watched = new Watched(moved);
  watched.session.watch();
  await manyRuns(3, "mine");
  await client.registry().store({ operator: { module: "m", class: "C", config: {} }, name: "mine" });
  await watched.until("pipekit/runStatus", ({ runs }) => runs.some(({ name }) => name === "mine-2"));
  expect((await watched.ask("pipekit/tags", {})).tags).toHaveLength(1);
  await daemon.kill9();
  const other = await startDaemon();
  // The socket of the one leads to the other, as a forwarded socket may.
  rmSync(daemon.socketPath, { force: true });
  symlinkSync(other.socketPath, daemon.socketPath);
  const anew = await vi.waitFor(
    () => {
      const all = watched.of("pipekit/runStatus").filter((one) => one.all);
      expect(all).toHaveLength(2);
      return all[1];
    },
    { timeout: 15_000 },
  );
  expect(anew?.runs).toEqual([]);
  expect(moved.runs.size).toBe(0);
  expect((await watched.ask("pipekit/tags", {})).tags).toEqual([]);
  moved.close();
  await other.stop();
});

test("one run is read whole, by a prefix of its id too, and what is not there is a typed failure", async () => {
  const config = { lr: 0.1, deep: { list: [1, null] } };
  const run = await client.startRun({ name: "whole", config, tags: { team: "a" } });
  run.log({ loss: Number.NaN });
  run.log({ loss: Number.POSITIVE_INFINITY });
  await run.flush();
  const document = await view.ask("pipekit/run", { runId: run.runId });
  expect(document).toMatchObject({ runId: run.runId, config, tags: { team: "a" }, pid: process.pid });
  expect(document.series).toEqual([
    {
      key: "loss",
      points: 2,
      lastStep: 1,
      lastValue: "Infinity",
      minValue: "Infinity",
      maxValue: "Infinity",
    },
  ]);
  expect(await view.ask("pipekit/run", { runId: run.runId.slice(0, 20) })).toEqual(document);
  const { series } = await view.ask("pipekit/metrics", { runId: run.runId });
  expect(series).toMatchObject([
    { key: "loss", steps: [0, 1], values: ["NaN", "Infinity"], pointsInRange: 2 },
  ]);
  expect(JSON.parse(JSON.stringify(series))).toEqual(series);
  await expect(view.ask("pipekit/run", { runId: "01ARZ3NDEKTSV4RRFFQ69G5FAV" })).rejects.toMatchObject({
    code: "RUN_NOT_FOUND",
  });
});
