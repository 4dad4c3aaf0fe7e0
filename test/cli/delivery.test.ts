import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Client, connect, type Sink, SinkState } from "@pipekit/experiment";
import type { PruneResponse, SyncResponse } from "@pipekit/proto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeDaemon } from "../support/fake-daemon.ts";
import { type CliOptions, pkx } from "../support/terminal.ts";

let daemon: FakeDaemon;
let client: Client;

beforeEach(async () => {
  daemon = await new FakeDaemon().start();
  client = await connect({ endpoint: daemon.endpoint });
});

afterEach(() => {
  client.close();
  daemon.remove();
});

function run(args: string[], options: CliOptions = {}) {
  const env = {
    PKX_ENDPOINT: daemon.endpoint,
    PKX_STATE_DIR: daemon.folder,
    PKX_RUNTIME_DIR: daemon.folder,
    PKX_CONFIG: "",
  };
  return pkx(args, { env, columns: 140, ...options });
}

function sink(fields: Partial<Sink> = {}): Sink {
  return {
    spec: "mlflow+http://127.0.0.1:5000/digits",
    state: SinkState.SINK_STATE_SENDING,
    pointsSent: 10,
    pointsPending: 0,
    pointsDead: 0,
    lastError: "",
    retryAtUs: 0,
    remoteId: "",
    remoteUrl: "",
    pointsShown: -1,
    notes: [],
    pendingSinceUs: 0,
    ...fields,
  };
}

const inSeconds = (seconds: number) => (Date.now() + seconds * 1000) * 1000;

const behind = () =>
  sink({
    spec: "wandb://team/digits",
    state: SinkState.SINK_STATE_RETRYING,
    pointsPending: 52_000,
    pointsDead: 3,
    lastError: "The server answered 503.",
    retryAtUs: inSeconds(31),
    pendingSinceUs: inSeconds(-3661),
  });

function progress(fields: Partial<SyncResponse> = {}): SyncResponse {
  return {
    runs: 2,
    runsDelivered: 0,
    framesRead: 0,
    framesTaken: 0,
    points: 1000,
    pointsPending: 1000,
    pointsDead: 0,
    done: false,
    notes: [],
    ...fields,
  };
}

test("status shows lag in points and time, the error and the next try, for each run and sink", async () => {
  daemon.tracker.sinks = [sink(), behind()];
  daemon.warnings = ["The state folder takes 80 % of its quota."];
  await client.startRun({ name: "digits" });
  const { out } = await run(["status"]);
  expect(out).toContain("8.0 GiB of 10.0 GiB used, 50.0 GiB free");
  expect(out).toContain("warning: The state folder takes 80 % of its quota.");
  expect(out).toMatch(/RUN +NAME +STATE +POINTS +SINK +STATE +SENT +LAG +BEHIND/);
  expect(out).toMatch(/digits +running +0 +mlflow\+http:\/\/127\.0\.0\.1:5000\/digits +sending +10 +0 +-\n/);
  expect(out).toMatch(/ wandb:\/\/team\/digits +retrying +10 +52,000 +1 h 1 min\n/);
  expect(out).toMatch(/ The server answered 503\.; next try in 3\d s; 3 points refused for good\n/);
  const document = JSON.parse((await run(["status", "--json"])).out);
  expect(document.unfinished[0].sinks[1]).toMatchObject({ state: "retrying", pointsPending: 52_000 });
});

test("sync asks for what was named, shows progress on a terminal, and tells the outcome", async () => {
  daemon.tracker.progress = [
    progress(),
    progress({ pointsPending: 400, notes: ["wandb://a/b refuses the run."] }),
    progress({ runsDelivered: 2, pointsPending: 0, pointsDead: 1, done: true }),
  ];
  const asked = ["01JB3C8Z", "01JB3C9A", "--to", "wandb://a/b", "--to", "tensorboard:///e", "--follow"];
  const { code, out, err } = await run(["sync", ...asked], { isTerminal: true });
  expect(code).toBe(0);
  expect(daemon.tracker.syncs).toMatchObject([
    {
      runIds: ["01JB3C8Z", "01JB3C9A"],
      sinks: ["wandb://a/b", "tensorboard:///e"],
      stateFolder: "",
      follow: true,
    },
  ]);
  expect(out).toBe(
    "2 of 2 runs delivered; 999 of 1,000 points, 1 refused.\nnote: wandb://a/b refuses the run.\n",
  );
  expect(err).toContain("0 of 2 runs delivered; 600 of 1,000 points.");
  expect(err.endsWith("\r\x1b[K")).toBe(true);
});

test("sync takes a state folder, prints lines of JSON, and fails when something is left", async () => {
  const folder = join(daemon.folder, "carried");
  mkdirSync(folder);
  daemon.tracker.progress = [progress({ framesRead: 9, framesTaken: 4, done: true })];
  const { code, out, err } = await run(["sync", folder, "--to", "wandb://a/b", "--keep-sinks", "--json"]);
  expect({ code, err }).toEqual({ code: 1, err: "" });
  expect(daemon.tracker.syncs).toMatchObject([{ runIds: [], stateFolder: folder, keepSinks: true }]);
  expect(JSON.parse(out)).toMatchObject({ framesRead: 9, framesTaken: 4, pointsPending: 1000 });
});

test.each([
  [[], "Nothing is named to sync."],
  [["./gone"], "There is no folder ./gone to sync."],
  [["/tmp", "01JB3C8Z"], "A state folder stands alone."],
])("sync of %j is refused before anything is asked", async (what, message) => {
  expect(await run(["sync", ...what])).toMatchObject({
    code: 2,
    out: "",
    err: expect.stringContaining(message),
  });
  expect(daemon.tracker.syncs).toEqual([]);
});

test("dead letters are listed, shown and sent once more", async () => {
  daemon.tracker.letters = [1, 2, 3].map((id) => ({
    letter: {
      id,
      runId: "01JB3C8Z000000000000000000",
      spec: "mlflow://h/e",
      kind: "metrics",
      points: 40,
      reason: `key too long ${id}`,
      atUs: 1_700_000_000_000_000,
    },
    lines: ["loss = 0.5 at step 7", "red \x1b[31m"],
  }));
  const { out } = await run(["dead-letters", "list"]);
  expect(out.split("\n")).toHaveLength(5);
  expect(out).toMatch(/ 3 {2}01JB3C8Z0{18} {2}metrics +40 .* mlflow:\/\/h\/e +key too long 3\n/);
  const shown = await run(["dead-letters", "show", "2"]);
  expect(shown.out).toMatch(/reason +key too long 2\n/);
  expect(shown.out).toContain("  loss = 0.5 at step 7\n  red \ufffd[31m\n  …\n");
  expect(await run(["dead-letters", "show", "9"])).toMatchObject({
    code: 2,
    err: expect.stringContaining("There is no dead letter 9."),
  });
  expect(await run(["dead-letters", "redrive", "01JB3C8Z"])).toMatchObject({
    code: 0,
    out: "2 taken (1,200 points), 0 refused again, 0 waiting for the sink.\n",
  });
  expect(await run(["dead-letters", "redrive", "--id", "2", "--id", "3"])).toMatchObject({ code: 1 });
  expect(daemon.tracker.redrives).toMatchObject([{ runId: "01JB3C8Z", ids: [] }, { ids: [2, 3] }]);
  expect(await run(["dead-letters", "redrive"])).toMatchObject({ code: 2, out: "" });
});

test("prune tells what would go, and does it when told to", async () => {
  const answer = (fields: Partial<PruneResponse>): PruneResponse => ({
    runId: "",
    name: "",
    kept: "",
    points: 0,
    journalBytes: 0,
    contentBytes: 0,
    runs: 0,
    done: false,
    ...fields,
  });
  daemon.pruned = [
    answer({ runId: "01A", name: "old", points: 5000, journalBytes: 2048, contentBytes: 1024 }),
    answer({ runId: "01B", name: "stuck", kept: "wandb://a/b has not taken 7 points yet" }),
    answer({ done: true, runs: 1, points: 5000, journalBytes: 2048, contentBytes: 1024 }),
  ];
  const dry = await run(["prune", "--older-than", "30d"]);
  expect(dry.code).toBe(0);
  expect(dry.out).toMatch(/01A +old +5,000 +2\.0 KiB +1\.0 KiB\n/);
  expect(dry.out).toContain("kept 01B stuck: wandb://a/b has not taken 7 points yet\n");
  expect(dry.out).toContain("Would go: 1 runs, 5,000 points, 3.0 KiB. Prune with --apply.");
  expect((await run(["prune", "01A", "--apply"])).out).toContain("Pruned: 1 runs");
  expect(daemon.prunes).toMatchObject([
    { olderThanS: 30 * 86_400, apply: false, withoutSinks: false, runIds: [] },
    { olderThanS: 0, apply: true, runIds: ["01A"] },
  ]);
  expect(await run(["prune", "--older-than", "soon"])).toMatchObject({ code: 2 });
});

test("top prints once where there is no terminal", async () => {
  daemon.tracker.sinks = [sink(), behind()];
  const writer = await client.startRun({ name: "digits" });
  for (let step = 0; step < 64; step++) writer.log({ "train/loss": 64 - step, "val/acc": step });
  await writer.flush();
  const { code, out } = await run(["top"]);
  expect(code).toBe(0);
  expect(out).toMatch(/digits {2}running {2}01\w{24} .* 128 points/);
  expect(out).toMatch(/train\/loss 1 ██▇▇▆▆▅▅▄▄▃▃▂▂▁▁ {3}val\/acc 63 ▁▁▂▂▃▃▄▄▅▅▆▆▇▇██\n/);
  expect(out).toMatch(/wandb:\/\/team\/digits +retrying +10 sent, 52,000 behind \(1 h 1 min\) +The server/);
  expect(out).not.toContain("\x1b");
  const document = JSON.parse((await run(["top", "--json"])).out);
  expect(document.runs[0]).toMatchObject({ name: "digits", points: 128, sinks: [{}, { state: "retrying" }] });
});

test("top lives on a terminal: it repaints, scrolls, keeps to the screen, and leaves it as it was", async () => {
  for (let i = 0; i < 12; i++) {
    const writer = await client.startRun({ name: `run-${i} ${"x".repeat(300)}` });
    writer.log({ loss: i });
    await writer.flush();
  }
  let press: (key: string) => void = () => undefined;
  let released = false;
  const screens: string[] = [];
  const ended = run(["top"], {
    isTerminal: true,
    columns: 60,
    rows: 10,
    onOut: (text) => screens.push(text),
    onKey: (listener) => {
      press = listener;
      return () => {
        released = true;
      };
    },
  });
  await expect.poll(() => screens.filter((text) => text.startsWith("\x1b[H")).length).toBeGreaterThan(0);
  const lines = (screens.at(-1) ?? "").split("\r\n");
  expect(lines).toHaveLength(10);
  for (const line of lines) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours take no column
    expect([...line.replaceAll(/\x1b\[[0-9;?]*[a-zA-Z]/g, "")].length).toBeLessThanOrEqual(60);
  }
  press("j");
  expect(screens.at(-1)).toContain("12 runs, 1 above");
  press("q");
  expect(await ended).toMatchObject({ code: 0 });
  expect(released).toBe(true);
  expect(screens[0]).toBe("\x1b[?1049h\x1b[?25l");
  expect(screens.at(-1)).toBe("\x1b[?25h\x1b[?1049l");
});
