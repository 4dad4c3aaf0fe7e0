import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clearmlTracker } from "@pipekit/adapters/clearml";
import type { AdapterMemo, SinkRecord, SinkRun } from "@pipekit/adapters/tracker";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FakeClearml, KEYS, startFakeClearml } from "../support/fake-clearml.ts";
import { answer, type FakeHttp, startFakeHttp } from "../support/fake-http.ts";
import { CONTEXT, file, NEVER, newRun, point, shownRun, tasksOf } from "./support.ts";

let server: FakeClearml;
let network: FakeHttp;
let folder: string;

beforeEach(async () => {
  server = await startFakeClearml();
  network = await startFakeHttp(server.url);
  folder = mkdtempSync(join(tmpdir(), "pkx-clearml-server-"));
});
afterEach(async () => {
  await network.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const connect = (query = `?files=${network.url}`, context = CONTEXT) =>
  clearmlTracker.connect(clearmlTracker.parse(`clearml+http://${network.host}/demo${query}`), context);

async function opened(run: SinkRun = newRun(), memo?: AdapterMemo) {
  const adapter = connect();
  const open = await adapter.open(run, memo, NEVER);
  if (open.status !== "ok") throw new Error(open.reason);
  const task = server.state.task(open.remoteId);
  return { adapter, run, open, task };
}

test("runs of a daemon share one login, and a token that expires is renewed in the call", async () => {
  const context = { ...CONTEXT, env: { ...CONTEXT.env } };
  const adapters = [connect(undefined, context), connect(undefined, context)];
  for (const adapter of adapters)
    expect(await adapter.open(newRun(), undefined, NEVER)).toMatchObject({ status: "ok" });
  expect(server.calls.filter((name) => name === "auth.login")).toHaveLength(1);
  server.expireTokens();
  for (const adapter of adapters)
    expect(await adapter.send([point("a", 0, 1)], NEVER)).toEqual({ status: "ok" });
  expect(server.calls.filter((name) => name === "auth.login")).toHaveLength(2);
});

test("a token goes to the servers of the spec, and the keys to nothing but the login", async () => {
  const { adapter } = await opened();
  await adapter.send([point("a", 0, 1)], NEVER);
  const basic = network.seen.filter(({ headers }) => headers.authorization?.startsWith("Basic "));
  expect(basic.map(({ path }) => path)).toEqual(["/v2.16/auth.login"]);
  const text = JSON.stringify(network.seen.map(({ path, body }) => [path, body]));
  expect(text).not.toContain(KEYS.secret);
});

test("a server that tells our secrets in its error is not quoted", async () => {
  network.script(({ path }) =>
    path.includes("add_batch")
      ? answer(403, {
          meta: { result_code: 403, result_subcode: 21, result_msg: `no: ${lastToken()}` },
          data: {},
        })
      : undefined,
  );
  const lastToken = () => network.seen.at(-1)?.headers.authorization?.split(" ")[1];
  const { adapter } = await opened();
  const result = await adapter.send([point("a", 0, 1)], NEVER);
  expect(result).toMatchObject({
    status: "retry",
    reason: expect.stringContaining("no: ***"),
    afterMs: 60_000,
  });
});

test("the refused points of a batch are found, and all others taken, with few requests", async () => {
  server.state.unindexable.add("bad");
  const { adapter, task } = await opened();
  const batch = Array.from({ length: 500 }, (_, step) =>
    point(step % 250 === 17 ? "bad" : "good", step, step),
  );
  const before = server.calls.length;
  const result = await adapter.send(batch, NEVER);
  expect(result).toMatchObject({
    status: "permanent",
    rejected: [17, 267],
    reason: expect.stringContaining("`bad`"),
  });
  expect(server.state.scalars(task.id)).toHaveLength(498);
  expect(server.calls.length - before).toBeLessThan(80);
});

test("a batch of which the server says that it did not take all is looked through", async () => {
  const { adapter, task } = await opened();
  const data = { added: 3, errors: 1, errors_info: { "Invalid event type": 1 } };
  const partly = { meta: { result_code: 200, result_subcode: 0, result_msg: "OK" }, data };
  for (let tries = 0; tries < 3; tries++) network.inject(answer(200, partly), /add_batch/);
  const batch = [0, 1, 2, 3].map((step) => point("a", step, step));
  // All four, the first two, the first: that one is refused by itself.
  expect(await adapter.send(batch, NEVER)).toMatchObject({
    status: "permanent",
    rejected: [0],
    reason: expect.stringContaining("Invalid event type"),
  });
  expect(server.state.scalars(task.id).map(({ iter }) => iter)).toEqual([1, 2, 3]);
});

test("an index that is full or down is waited for", async () => {
  const { adapter } = await opened();
  const busy =
    "General data error: err=3 document(s) failed to index., extra_info=rejected execution of coordinating operation";
  const meta = { result_code: 500, result_subcode: 100, result_msg: busy };
  network.inject(answer(500, { meta, data: {} }), /add_batch/);
  expect(await adapter.send([point("a", 0, 1)], NEVER)).toMatchObject({ status: "retry" });
  network.inject(answer(509, "bandwidth", { "retry-after": "3" }), /add_batch/);
  expect(await adapter.send([point("a", 0, 1)], NEVER)).toMatchObject({ status: "retry", afterMs: 3000 });
});

test("a task that is deleted or published takes nothing more, and a published one keeps its state", async () => {
  const { adapter, run, task } = await opened();
  task.status = "published";
  const points = [point("a", 0, 1), point("a", 1, 1)];
  const locked = await adapter.send(points, NEVER);
  expect(locked).toMatchObject({ status: "permanent", reason: expect.stringContaining("published") });
  expect(locked).not.toHaveProperty("rejected");
  const end = { state: "completed", reason: "", endedAtUs: run.startedAtUs } as const;
  expect(await adapter.finish(end, NEVER)).toEqual({ status: "ok" });
  expect(task.status).toBe("published");
  server.state.tasks.splice(0);
  expect(await adapter.send(points, NEVER)).toMatchObject({
    status: "permanent",
    reason: expect.stringContaining(`no task ${task.id}`),
  });
  expect(await adapter.count(["a"], NEVER)).toBeUndefined();
});

test("a created task that was never started is found again and started; its clone is not taken for it", async () => {
  const run = newRun();
  network.inject(answer(503, "later"), /tasks\.started/);
  expect(await connect().open(run, undefined, NEVER)).toMatchObject({ status: "retry" });
  const [first] = tasksOf(server.state, run.runId);
  if (first === undefined) throw new Error("Nothing was created.");
  expect(first.status).toBe("created");
  server.state.addTask({ name: "Clone of a run", project: first.project, hyperparams: first.hyperparams });
  const { open } = await opened(run);
  expect(open.remoteId).toBe(first.id);
  expect(first.status).toBe("in_progress");
  // A finished one is found as well, and not started again.
  first.status = "completed";
  expect((await opened(run)).open.remoteId).toBe(first.id);
  expect(first.status).toBe("completed");
});

test("a project that somebody else makes at the same time is taken", async () => {
  network.script(({ path }) => {
    if (path.includes("projects.create")) server.state.projects.push({ id: "somebody", name: "demo" });
    return undefined;
  });
  const { open } = await opened();
  expect(open.remoteUrl).toContain("/projects/somebody/");
  expect(server.state.projects).toHaveLength(1);
});

test("names: title and series, the resource monitor, and keys that would meet", async () => {
  const { adapter, task, run } = await opened();
  const keys = [
    ["loss", "loss", "loss"],
    ["loss/loss", "loss", expect.stringMatching(/^loss_0xh/)],
    ["a/b/c", "a/b", "c"],
    ["val-loss/epoch", "val-loss", "epoch"],
    ["val/loss-epoch", "val", expect.stringMatching(/^loss-epoch_0xh/)],
    ["x-y", "x-y", "x-y"],
    ["x/y-x-y", "x", expect.stringMatching(/^y-x-y_0xh/)],
    ["system/cpu_utilization_percentage", ":monitor:machine", "cpu_utilization_percentage"],
    ["system/gpu_0_utilization", ":monitor:gpu", "gpu_0_utilization"],
    [":monitor:gpu/gpu_0_utilization", ":monitor:gpu", expect.stringMatching(/_0xh/)],
    ["cost", "cost", "cost"],
    ["", "_", expect.stringMatching(/^__0xh/)],
  ] as const;
  const records = keys.map(([key], index) => point(key, 0, index));
  expect(await adapter.send(records, NEVER)).toEqual({ status: "ok" });
  const shown = server.state.scalars(task.id).map(({ metric, variant, value }) => [metric, variant, value]);
  expect(shown).toEqual(keys.map(([, title, series], index) => [title, series, index]));
  const count = await adapter.count(
    keys.map(([key]) => key),
    NEVER,
  );
  expect(count?.points).toBe(keys.length);

  // The next daemon sees them in another order, and with the memo spells them alike.
  const memo = adapter.takeMemo();
  expect(memo).toMatchObject({ claims: ["val-loss/epoch"] });
  expect(adapter.takeMemo()).toBeUndefined();
  const next = await opened(run, memo);
  expect(await next.adapter.send(records.toReversed(), NEVER)).toEqual({ status: "ok" });
  expect(server.state.scalars(task.id)).toHaveLength(keys.length);
});

test("a name of fewer than three characters is lengthened, and told", async () => {
  const { adapter, task } = await opened(newRun({ name: "é" }));
  expect(task.name).toBe("run é");
  expect(adapter.takeNotes()).toEqual([expect.stringContaining("`run é`")]);
  const unnamed = newRun({ name: "" });
  expect((await opened(unnamed)).task.name).toBe(unnamed.runId);
});

test("what ClearML would trim, refuse or take for ours has another name", async () => {
  const { adapter, task, run } = await opened(newRun({ tags: { pipekit_run_id: "forged", " a ": "1" } }));
  const params = { " lr": "1", lr: "2", "": "3", "a.b$c%d__e": "4" };
  expect(await adapter.send([{ kind: "params", params }], NEVER)).toEqual({ status: "ok" });
  const { params: shown, tags } = shownRun(server.state, task);
  expect(Object.values(shown).sort()).toEqual(["1", "2", "3", "4"]);
  expect(shown).toMatchObject({ lr: "2", "a.b$c%d__e": "4" });
  expect(Object.values(tags)).toEqual(["1"]);
  expect(task.hyperparams["properties"]?.["pipekit_run_id"]?.value).toBe(run.runId);
  expect(Object.values(task.hyperparams["properties"] ?? {}).map(({ value }) => value)).toContain("forged");
  expect(adapter.takeNotes()).toHaveLength(4);
});

test("text that is no Unicode reaches the server as some", async () => {
  const { adapter, task } = await opened();
  const records: SinkRecord[] = [
    { kind: "params", params: { "lone\ud800": "half \udc00" } },
    point("half\ud800key", 0, 1),
  ];
  expect(await adapter.send(records, NEVER)).toEqual({ status: "ok" });
  expect(JSON.stringify([task.hyperparams, server.state.scalars(task.id)])).not.toMatch(/\\ud[89a-f]/i);
});

test("a second value of a step replaces the first, and is told once; a replay is not", async () => {
  const { adapter, task } = await opened();
  const first = [point("a", 0, 1), point("a", 1, 2)];
  await adapter.send(first, NEVER);
  await adapter.send(first, NEVER);
  expect(adapter.takeNotes()).toEqual([]);
  await adapter.send([point("a", 1, 3), point("b", 0, 1), point("b", 0, 2)], NEVER);
  expect(adapter.takeNotes()).toEqual([expect.stringContaining("`a` has several points of one step")]);
  expect(server.state.scalars(task.id).map(({ value }) => value)).toEqual([1, 3, 2]);
  expect(await adapter.count(["a", "b"], NEVER)).toEqual({ points: 3, byKey: { a: 2, b: 1 } });
});

test("the end tells its reason", async () => {
  const { adapter, task } = await opened();
  const end = { state: "failed", reason: "ValueError: bad", endedAtUs: 1_770_000_000_000_000 } as const;
  expect(await adapter.finish(end, NEVER)).toEqual({ status: "ok" });
  expect(task).toMatchObject({ status: "failed", status_reason: "ValueError: bad" });
  expect(task.hyperparams["properties"]?.["pipekit_ended_at"]?.value).toBe("2026-02-02T02:40:00.000Z");
});

test("an artifact without a known files server is refused with the mend, and no upload goes elsewhere", async () => {
  const adapter = connect("");
  await adapter.open(newRun(), undefined, NEVER);
  const files = [file(folder, "a.bin", "x", "")];
  const batch: SinkRecord[] = [{ kind: "artifact", name: "a", uri: "", files }, point("a", 0, 1)];
  expect(await adapter.send(batch, NEVER)).toMatchObject({
    status: "permanent",
    rejected: [0],
    reason: expect.stringContaining("?files="),
  });
  expect(server.calls).not.toContain("upload");
});

test("artifacts whose names are paths or fill the disk's limits keep apart", async () => {
  const { adapter, task } = await opened();
  const names = [
    "../../etc/passwd",
    "..",
    ".",
    "a/b",
    "a_0x2f_b",
    " a ",
    "n".repeat(400),
    `${"n".repeat(400)}2`,
    'q"\r\nX: y',
  ];
  const batch = names.map(
    (name, index): SinkRecord => ({
      kind: "artifact",
      name,
      uri: "",
      files: [file(folder, `f${index}`, `text ${index}`, "")],
    }),
  );
  expect(await adapter.send(batch, NEVER)).toEqual({ status: "ok" });
  expect(server.state.files.size).toBe(names.length);
  const start = `demo/a run.${task.id}/artifacts/`;
  for (const path of server.state.files.keys()) {
    expect(path.startsWith(start)).toBe(true);
    for (const part of path.split("/")) {
      expect(part).toMatch(/^[A-Za-z0-9 _.,=+~()[\]-]{1,200}$/);
      expect(["", ".", ".."]).not.toContain(part);
    }
  }
  expect(task.execution.artifacts.map(({ key }) => key).sort()).toEqual(names.toSorted());
});
