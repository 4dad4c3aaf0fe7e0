import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answer, startFakeHttp } from "../support/fake-http.ts";
import { FAKE_KEY, type FakeWandb, parseLine, startFakeWandb } from "../support/fake-wandb.ts";
import {
  callsOf,
  connect,
  NEVER,
  newRun,
  openRun,
  point,
  type Settings,
  START_US,
  theRun,
} from "./server-support.ts";

let server: FakeWandb;
let folder: string;
const closing: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  server = await startFakeWandb();
  folder = mkdtempSync(join(tmpdir(), "pkx-wandb-"));
});
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const connected = (settings: Settings = {}) => {
  const adapter = connect(server, settings);
  closing.push(adapter);
  return adapter;
};
const opened = async (settings: Settings = {}, run = newRun()) => {
  const adapter = connected(settings);
  return { adapter, run, open: await openRun(adapter, run) };
};

describe("a run on a server", () => {
  test("has the name, host, config with its types, and tags that were given", async () => {
    const configJson = '{"lr":0.1,"_target_":"a.B","model":{"depth":3,"name":"007"},"on":true}';
    const tags = { team: "red", baseline: "", notes: "why", group: "g", job_type: "train" };
    const { open, run } = await opened({}, newRun({ configJson, tags }));
    const shown = theRun(server, run);
    expect(open.remoteId).toBe(run.runId.toLowerCase());
    expect(open.remoteUrl).toBe(`${server.url}/team/proj/runs/${open.remoteId}`);
    expect(shown).toMatchObject({ displayName: "a run", host: "host-a", notes: "why", group: "g" });
    expect(shown).toMatchObject({ jobType: "train", tags: ["team=red", "baseline"], state: "running" });
    const { _wandb, pipekit, ...config } = shown.config;
    expect(config).toEqual({
      lr: { value: 0.1 },
      _target_: { value: "a.B" },
      model: { value: { depth: 3, name: "007" } },
      on: { value: true },
    });
    // Without `t` W&B's client takes the run for one that never began.
    expect(_wandb?.value).toMatchObject({ t: {} });
    expect(pipekit?.value).toMatchObject({ run_id: run.runId, pipeline_hash: run.pipelineHash, tags });
    expect([...shown.uploaded]).toEqual(["wandb-metadata.json"]);
    expect(JSON.parse(shown.files.get("wandb-metadata.json")?.toString() ?? "")).toEqual({
      host: "host-a",
      startedAt: "2025-10-09T08:53:20.000Z",
      client: "python/0.1.0",
    });
  });

  test("takes params where the config has them, and as what they read as", async () => {
    const configJson = '{"model":{"depth":3,"name":"007","a.b":{"c":1}},"x":1}';
    const { adapter, run } = await opened({}, newRun({ configJson }));
    const params = {
      ...{ "model.depth": "4", "model.name": "007", "model.a.b.c": "2", x: "1" },
      ...{ "new.key": "1e-3", text: "yes", list: "[1,2]", id: "12345678901234567890", quoted: '"a"' },
      ...{ pipekit: "mine", _wandb: "too" },
    };
    expect(await adapter.send([{ kind: "params", params }], NEVER)).toEqual({ status: "ok" });
    const { _wandb, pipekit, ...config } = theRun(server, run).config;
    expect(pipekit?.value).toMatchObject({ run_id: run.runId });
    expect(Object.fromEntries(Object.entries(config).map(([key, { value }]) => [key, value]))).toEqual({
      model: { depth: 4, name: "007", "a.b": { c: 2 } },
      ...{ x: 1, "new.key": 0.001, text: "yes", list: [1, 2], id: "12345678901234567890", quoted: '"a"' },
      ...{ "pipekit.key/pipekit": "mine", "pipekit.key/_wandb": "too" },
    });
    expect(adapter.takeNotes()).toHaveLength(2);
  });

  test("keeps what other people changed in the meantime", async () => {
    const { adapter, run } = await opened({}, newRun({ tags: { team: "red" } }));
    const shown = theRun(server, run);
    await adapter.send([point("loss", 0, 1)], NEVER);
    const memo = adapter.takeMemo();
    shown.tags = ["theirs", ...shown.tags];
    const theirs = { value: { ...(shown.config["_wandb"]?.value as object), viz: { chart: 1 } } };
    shown.config = { ...shown.config, _wandb: theirs, reviewed: { value: "by us" } };
    const next = connected();
    await openRun(next, run, memo);
    await next.send(
      [
        { kind: "params", params: { lr: "1" } },
        { kind: "tags", tags: { team: "blue" } },
      ],
      NEVER,
    );
    expect(shown.tags).toEqual(["theirs", "team=blue"]);
    expect(shown.config).toMatchObject({ reviewed: { value: "by us" }, lr: { value: 1 } });
    expect(shown.config["_wandb"]?.value).toMatchObject({ viz: { chart: 1 }, t: {} });
  });

  test("goes to the default entity of the key when the spec names none", async () => {
    const { run, open } = await opened({ path: "proj" });
    expect(theRun(server, run).entity).toBe("default-entity");
    expect(open.remoteUrl).toContain("/default-entity/proj/runs/");
    expect(callsOf(server, "UpsertBucket")[0]).toMatchObject({ entity: null, project: "proj" });
  });

  test("at an entity that does not exist is refused for good", async () => {
    const open = await connected({ path: "nobody/proj" }).open(newRun(), undefined, NEVER);
    expect(open).toEqual({
      status: "permanent",
      reason: "W&B refuses (400): entity nobody not found during upsertBucket.",
    });
  });

  test("that was deleted there is not made again", async () => {
    const { adapter, run, open } = await opened();
    await adapter.send([point("loss", 0, 1)], NEVER);
    (server.runs as Map<string, unknown>).clear();
    const again = await connected().open(run, open.memo, NEVER);
    expect(again).toMatchObject({ status: "permanent", reason: expect.stringContaining("deleted") });
  });

  test("shows steps that turn back under an axis of their own, told once", async () => {
    const { adapter, run } = await opened();
    await adapter.send([point("loss", 0, 1), point("loss", 5, 2)], NEVER);
    const own = () => theRun(server, run).config["_wandb"]?.value as { m: unknown };
    const axis = { "1": "pipekit/step", "6": [2, 3], "7": [] };
    expect(own().m).toEqual([axis]);
    expect(adapter.takeNotes()).toEqual([]);
    await adapter.send([point("loss", 3, 3)], NEVER);
    await adapter.send([point("loss", 4, 4), point("acc", 4, 5)], NEVER);
    const metric = (name: string) => ({ "1": name, "5": 1, "6": [3], "7": [] });
    expect(own().m).toEqual([axis, metric("loss"), metric("acc")]);
    expect(adapter.takeNotes()).toEqual([expect.stringContaining("`pipekit/step`")]);
    const upserts = callsOf(server, "UpsertBucket").length;
    await adapter.send([point("loss", 4, 6)], NEVER);
    expect(callsOf(server, "UpsertBucket")).toHaveLength(upserts);
    // Another life of the daemon knows that the axes are told.
    const next = connected();
    await openRun(next, run, adapter.takeMemo());
    await next.send([point("loss", 4, 7)], NEVER);
    expect(callsOf(server, "UpsertBucket")).toHaveLength(upserts);
    expect(next.takeNotes()).toEqual([]);
  });

  test("has metrics of the machine as events, with what was measured at one time on one line", async () => {
    const { adapter, run } = await opened();
    const at = (key: string, step: number, seconds: number) => {
      return { kind: "point", key, step, value: step + 0.5, timeUs: START_US + seconds * 1e6 } as const;
    };
    await adapter.send([at("system/cpu", 0, 10), at("loss", 1000, 11)], NEVER);
    await adapter.send(
      [at("system/gpu.0.temp", 0, 10), at("system/cpu", 1, 20), at("loss", 1001, 21)],
      NEVER,
    );
    expect(theRun(server, run).lines["wandb-events.jsonl"]?.map(parseLine)).toEqual([
      {
        _wandb: true,
        "system.cpu": 0.5,
        "system.gpu.0.temp": 0.5,
        _step: 0,
        _timestamp: 1_760_000_010,
        _runtime: 10,
      },
      { _wandb: true, "system.cpu": 1.5, _step: 1, _timestamp: 1_760_000_020, _runtime: 20 },
    ]);
    expect(adapter.takeNotes()).toEqual([]);
    const keys = ["system/cpu", "system/gpu.0.temp", "system/none", "loss"];
    const next = connected({ options: { patienceMs: [0, 5] } });
    await openRun(next, run, adapter.takeMemo());
    const byKey = { "system/cpu": 2, "system/gpu.0.temp": 1, "system/none": 0, loss: 2 };
    expect(await next.count(keys, NEVER)).toEqual({ points: 5, byKey });
    theRun(server, run).lines["wandb-events.jsonl"]?.pop();
    expect((await next.count(keys, NEVER))?.points).toBe(3);
  });

  test("has the latest values as its summary, whole, also after a restart", async () => {
    const { adapter, run } = await opened();
    await adapter.send([point("loss", 0, 1), point("odd", 0, Number.NaN), point("loss", 3, 0.5)], NEVER);
    // The real server shows what it took some time later.
    theRun(server, run).lines["wandb-summary.json"] = [];
    const next = connected();
    await openRun(next, run, adapter.takeMemo());
    await next.send([point("acc", 4, 9)], NEVER);
    const summary = () => parseLine(theRun(server, run).lines["wandb-summary.json"]?.[0] ?? "");
    const own = { _step: 4, _timestamp: 1_760_000_004, _runtime: 4, _wandb: { runtime: 4 } };
    expect(summary()).toEqual({ loss: 0.5, odd: Number.NaN, acc: 9, ...own });
    await next.finish({ state: "completed", reason: "", endedAtUs: START_US + 9_500_000 }, NEVER);
    expect(summary()).toMatchObject({ acc: 9, _step: 4, _wandb: { runtime: 9 } });
    expect(theRun(server, run).lines["wandb-summary.json"]).toHaveLength(1);
  });

  test("with more metrics than a memo holds goes on from the summary that the server has", async () => {
    const { adapter, run } = await opened();
    const many = Array.from({ length: 2000 }, (_, index) =>
      point(`a key of some length ${index}`, 0, index / 4),
    );
    await adapter.send([...many, point("odd", 0, Number.NEGATIVE_INFINITY)], NEVER);
    const memo = adapter.takeMemo();
    expect(memo).not.toHaveProperty("summary");
    const next = connected();
    await openRun(next, run, memo);
    await next.send([point("new", 5000, 1)], NEVER);
    const summary = parseLine(theRun(server, run).lines["wandb-summary.json"]?.[0] ?? "");
    expect(Object.keys(summary).filter((key) => !key.startsWith("_"))).toHaveLength(2002);
    expect(summary).toMatchObject({ odd: Number.NEGATIVE_INFINITY, new: 1, "a key of some length 8": 2 });
  });

  test("goes on behind what the server has when its memo cannot be read", async () => {
    const { adapter, run } = await opened();
    await adapter.send([point("loss", 5, 1), point("loss", 9, 2), point("loss", 7, 3)], NEVER);
    const next = connected();
    await openRun(next, run, { of: "another version" });
    await next.send([point("loss", 8, 4), point("acc", 20, 5)], NEVER);
    const rows = theRun(server, run).lines["wandb-history.jsonl"]?.map(parseLine) ?? [];
    expect(rows.map((row) => [row["_step"], row["pipekit/step"]])).toEqual([
      [5, 5],
      [9, 9],
      [10, 7],
      [11, 8],
      [20, 20],
    ]);
    expect(parseLine(theRun(server, run).lines["wandb-summary.json"]?.[0] ?? "")).toMatchObject({
      loss: 4,
      acc: 5,
    });
  });

  test("is counted once the server shows what it took", async () => {
    const { adapter, run } = await opened();
    await adapter.send([point("loss", 0, 1), point("loss", 1, 1)], NEVER);
    const lines = theRun(server, run).lines["wandb-history.jsonl"] ?? [];
    const [late = ""] = lines.splice(1, 1);
    const counting = adapter.count(["loss"], NEVER);
    while (callsOf(server, "RunHistoryKeys").length === 0) await delay(5);
    lines.push(late);
    expect(await counting).toEqual({ points: 2, byKey: { loss: 2 } });
  });

  test("has an exit code and a reason when it failed", async () => {
    const { adapter, run } = await opened();
    const end = { state: "failed", reason: "out of memory", endedAtUs: START_US + 1 } as const;
    expect(await adapter.finish(end, NEVER)).toEqual({ status: "ok" });
    expect(theRun(server, run)).toMatchObject({ state: "failed", exitCode: 1 });
    expect(theRun(server, run).config["pipekit"]?.value).toMatchObject({ reason: "out of memory" });
  });

  test("that somebody stops in the interface is told so once", async () => {
    const { adapter } = await opened();
    server.tellStreams({ stopped: true });
    await adapter.send([point("loss", 0, 1)], NEVER);
    await adapter.send([point("loss", 1, 1)], NEVER);
    expect(adapter.takeNotes()).toEqual([expect.stringContaining("asked W&B to stop")]);
  });

  test("without news is said to be alive, until it ends", async () => {
    const { adapter, run } = await opened({ options: { heartbeatMs: 20 } });
    const shown = theRun(server, run);
    while (shown.heartbeats < 3) await delay(5);
    await adapter.finish({ state: "completed", reason: "", endedAtUs: START_US }, NEVER);
    const { heartbeats } = shown;
    await delay(80);
    expect([shown.heartbeats, shown.state]).toEqual([heartbeats, "finished"]);
  });
});

describe("the key of a server", () => {
  const open = async (settings: Settings) => {
    const result = await connected(settings).open(newRun(), undefined, NEVER);
    return result.status === "ok" ? "ok" : result.reason;
  };

  test("is found where W&B's client finds it", async () => {
    const netrc = `machine other login user password x\nmachine ${server.host}\n  login user\n  password ${FAKE_KEY}\n`;
    writeFileSync(join(folder, ".netrc"), netrc);
    expect(await open({ context: { env: {}, home: folder } })).toBe("ok");
    expect(await open({ context: { env: { NETRC: join(folder, ".netrc") } } })).toBe("ok");
    mkdirSync(join(folder, "empty"));
    const none = await open({ context: { env: {}, home: join(folder, "empty") } });
    expect(none).toMatch(/^The daemon has no key for W&B at 127\.0\.0\.1:\d+: set WANDB_API_KEY/);
    writeFileSync(join(folder, ".netrc"), netrc.replace(server.host, "elsewhere"));
    expect(await open({ context: { env: {}, home: folder } })).toMatch(/has no key/);
  });

  test("is not that of netrc's `default`, which was meant for no server in particular", async () => {
    for (const others of ["", "machine elsewhere login user password x\n"]) {
      writeFileSync(join(folder, ".netrc"), `${others}default login user password ${FAKE_KEY}\n`);
      expect(await open({ context: { env: {}, home: folder } })).toMatch(/has no key/);
    }
  });

  test("is the one that the spec refers to", async () => {
    writeFileSync(join(folder, "key"), `${FAKE_KEY}\n`, { mode: 0o600 });
    const wrong = { WANDB_API_KEY: "f".repeat(40) };
    expect(await open({ path: `team/proj?key=file:${folder}/key`, context: { env: wrong } })).toBe("ok");
    const env = { ...wrong, OTHER: FAKE_KEY };
    expect(await open({ path: "team/proj?key=env:OTHER", context: { env } })).toBe("ok");
    expect(await open({ path: "team/proj?key=env:NONE", context: { env } })).toMatch(
      /variable NONE.*is not set/,
    );
    expect(await open({ context: { env: wrong } })).toMatch(/does not accept the credentials/);
  });

  test("is not repeated from an answer, and never sent to a store", async () => {
    const network = await startFakeHttp(server.url);
    closing.push(network);
    const adapter = connect(network);
    closing.push(adapter);
    await openRun(adapter, newRun());
    const header = Buffer.from(`api:${FAKE_KEY}`).toString("base64");
    network.script(() => answer(403, { errors: [{ message: `bad key ${FAKE_KEY} in Basic ${header}` }] }));
    const result = await adapter.send([point("loss", 0, 1)], NEVER);
    expect(result).toMatchObject({
      status: "retry",
      reason: expect.stringContaining("bad key *** in Basic ***"),
    });
    expect(JSON.stringify(server.calls)).not.toContain(FAKE_KEY);
    const puts = network.seen.filter(({ method }) => method === "PUT");
    for (const { headers } of puts) expect(headers.authorization).toBeUndefined();
  });
});

describe("a server that limits", () => {
  test("is asked again when its limit is renewed", async () => {
    const network = await startFakeHttp(server.url);
    closing.push(network);
    const adapter = connect(network);
    closing.push(adapter);
    await openRun(adapter, newRun());
    const limit = { "ratelimit-remaining": "0", "ratelimit-reset": "12" };
    network.inject(answer(429, { error: "rate limit exceeded" }, limit));
    expect(await adapter.send([point("loss", 0, 1)], NEVER)).toEqual({
      status: "retry",
      reason: `W&B at ${network.host} answers 429: rate limit exceeded.`,
      afterMs: 12_000,
    });
  });

  test("takes a batch in pieces again, from its beginning, when a piece fails", async () => {
    const network = await startFakeHttp(server.url);
    closing.push(network);
    const adapter = connect(network);
    closing.push(adapter);
    const run = newRun();
    await openRun(adapter, run);
    const batch = Array.from({ length: 40 }, (_, step) => point("loss", step, step));
    let requests = 0;
    network.script(() => [answer(413), undefined, answer(503)][requests++]);
    expect(await adapter.send(batch, NEVER)).toMatchObject({ status: "retry" });
    expect([requests, adapter.takeMemo()]).toEqual([3, undefined]);
    expect(await adapter.send(batch.slice(0, 15), NEVER)).toEqual({ status: "ok" });
    expect(await adapter.send(batch.slice(15), NEVER)).toEqual({ status: "ok" });
    const rows = theRun(server, run).lines["wandb-history.jsonl"]?.map(parseLine) ?? [];
    expect(rows.map((row) => row["loss"])).toEqual(batch.map((_, step) => step));
    expect(adapter.takeNotes()).toEqual([]);
  });

  test.each([
    [400, "permanent"],
    [404, "permanent"],
    [409, "permanent"],
    [410, "permanent"],
    [422, "permanent"],
    [402, "retry"],
    [451, "retry"],
    [501, "retry"],
  ])("or answers %i for the stream: %s", async (status, outcome) => {
    const network = await startFakeHttp(server.url);
    closing.push(network);
    const adapter = connect(network);
    closing.push(adapter);
    await openRun(adapter, newRun());
    network.inject(answer(status, { error: "no" }));
    const batch = [point("loss", 0, 1), point("loss", 1, 1)];
    const result = await adapter.send(batch, NEVER);
    expect(result.status).toBe(outcome);
    if (outcome === "permanent") expect(result).toMatchObject({ rejected: [0, 1] });
  });
});
