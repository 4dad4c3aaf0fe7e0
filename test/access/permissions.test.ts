/** What each role may do with a real daemon over TLS, by the TypeScript client. */
import { readFileSync } from "node:fs";
import { type Client, connect } from "@pipekit/experiment";
import { RunState } from "@pipekit/proto";
import { ulid } from "ulid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { drained, failureOf, Lab, PRINCIPALS, type PrincipalName } from "./lab.ts";

let lab: Lab;
let clients: Record<PrincipalName, Client>;
let local: Client;
/** A run of the trainer, one that was started on the host, and one of the admin's that nobody else may see. */
let labRun: string;
let hostRun: string;
let secretRun: string;
let model: string;

const operator = { module: "m", class: "C", config: {} };
const denied = {
  code: "PERMISSION_DENIED",
  field: expect.stringMatching(/./),
  mend: expect.stringMatching(/./),
};
const hidden = { code: "RUN_NOT_FOUND", field: "run_id" };

beforeAll(async () => {
  lab = await Lab.open();
  local = await connect({ env: lab.daemon.clientEnv });
  const opened = await Promise.all(PRINCIPALS.map(async (name) => [name, await lab.connect(name)] as const));
  clients = Object.fromEntries(opened) as Record<PrincipalName, Client>;
  labRun = await logged(clients.trainer, "lab-one");
  hostRun = await logged(local, "lab-on-host");
  secretRun = await logged(clients.admin, "secret");
  model = (await clients.trainer.registry().store({ operator, name: "lab-model" })).model.hash;
}, 60_000);

afterAll(async () => {
  for (const client of Object.values(clients)) client.close();
  local.close();
  await lab.close();
});

async function logged(client: Client, name: string): Promise<string> {
  const run = await client.startRun({ name });
  run.log({ loss: 1 }, 0);
  await run.flush();
  await run.end();
  return run.runId;
}

test("Hello tells who one is, and in which roles", async () => {
  const { trainer, admin } = clients;
  expect(trainer.daemon).toMatchObject({
    principal: "trainer",
    roles: [
      { role: "writer", runs: ["lab-*"], tags: ["lab-*"], registries: ["default"], runsOfOthers: false },
    ],
  });
  expect(admin.daemon).toMatchObject({ principal: "admin", roles: [{ role: "admin", runs: [] }] });
  expect(local.daemon).toMatchObject({
    principal: expect.stringMatching(/^socket:./),
    roles: [{ role: "admin" }],
  });
});

test("a run tells who has started it, whatever a client says", async () => {
  expect((await clients.admin.getRun(labRun)).tags).toMatchObject({ "pipekit.principal": "trainer" });
  const run = await clients.trainer.startRun({
    name: "lab-forged",
    tags: { "pipekit.principal": "admin", a: "b" },
  });
  run.setTags({ "pipekit.principal": "admin", c: "d" });
  await run.end();
  const { tags } = await clients.admin.getRun(run.runId);
  expect(tags).toEqual({ "pipekit.principal": "trainer", a: "b", c: "d" });
  expect((await local.getRun(hostRun)).tags).toEqual({});
});

test("a reader sees the runs of its names, and of others not even that they are there", async () => {
  const { reader } = clients;
  expect((await reader.getRun(labRun)).name).toBe("lab-one");
  expect((await reader.readSeries(labRun))[0]?.values).toEqual(new Float64Array([1]));
  const names = (await drained(reader.listRuns())).map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["lab-one", "lab-on-host"]));
  expect(names.every((name) => name.startsWith("lab-"))).toBe(true);
  const there = await failureOf(reader.getRun(secretRun));
  const notThere = ulid();
  const absent = await failureOf(reader.getRun(notThere));
  expect(there).toMatchObject(hidden);
  expect([there.message.replace(secretRun, ""), there.mend, there.field]).toEqual([
    absent.message.replace(notThere, ""),
    absent.mend,
    absent.field,
  ]);
  for (const call of [
    reader.readSeries(secretRun),
    reader.sinkStatus(secretRun),
    reader.watchMetrics(secretRun).next(),
    drained(reader.watchRuns([secretRun])),
    drained(reader.delivery.deadLetters({ runId: secretRun })),
  ]) {
    expect(await failureOf(call)).toMatchObject(hidden);
  }
});

test("a watcher of runs hears of those that it may see", async () => {
  const stop = new AbortController();
  const secret = await clients.admin.startRun({ name: "secret-two" });
  const seen: string[] = [];
  const watching = (async () => {
    for await (const run of clients.reader.watchRuns([], { signal: stop.signal })) {
      seen.push(run.name);
      if (run.name === "lab-watched") return;
    }
  })();
  secret.log({ loss: 1 });
  await secret.flush();
  const run = await clients.trainer.startRun({ name: "lab-watched" });
  await watching;
  stop.abort();
  expect(seen.filter((name) => name.startsWith("secret"))).toEqual([]);
  await Promise.all([run.end(), secret.end()]);
});

test("a reader changes nothing", async () => {
  const { reader } = clients;
  const registry = reader.registry();
  const upkeep = await Promise.all([
    failureOf(reader.startRun({ name: "lab-x" })),
    failureOf(registry.store({ operator })),
    failureOf(registry.tag(model, "lab-y")),
    failureOf(registry.rollback("lab-model")),
    failureOf(registry.deleteTag("lab-model")),
    failureOf(registry.pin(model)),
    failureOf(registry.unpin(model)),
    failureOf(drained(registry.gc({ apply: true }))),
    failureOf(drained(registry.verify([]))),
    failureOf(drained(reader.delivery.sync())),
    failureOf(drained(reader.delivery.prune())),
    failureOf(reader.shutdown()),
  ]);
  for (const failure of upkeep) expect(failure).toMatchObject(denied);
  expect(await drained(registry.gc())).toHaveLength(1);
});

test("a writer writes to its own runs, and starts none of other names", async () => {
  const { trainer, colleague } = clients;
  const wrong = await failureOf(trainer.startRun({ name: "secret" }));
  expect(wrong).toMatchObject({ ...denied, field: "name", message: expect.stringContaining("`trainer`") });
  // What is not its own is seen, and not written to: by a start that would resume it, an end, or a frame.
  for (const runId of [labRun, hostRun]) {
    expect(await failureOf(colleague.startRun({ name: "lab-z", runId, resume: true }))).toMatchObject(denied);
  }
  expect(await failureOf(trainer.startRun({ name: "lab-z", runId: secretRun, resume: true }))).toMatchObject(
    hidden,
  );
  const resumed = await trainer.startRun({ name: "lab-one", runId: labRun, resume: true });
  resumed.log({ loss: 2 });
  await resumed.end();
  expect(await clients.admin.getRun(labRun)).toMatchObject({
    points: 2,
    state: RunState.RUN_STATE_COMPLETED,
  });
  expect(await failureOf(drained(trainer.delivery.sync()))).toMatchObject(denied);
  expect(await failureOf(drained(colleague.delivery.sync({ runIds: [labRun] })))).toMatchObject(denied);
  expect((await drained(trainer.delivery.sync({ runIds: [labRun] }))).at(-1)).toMatchObject({
    done: true,
    runs: 1,
  });
});

test("a writer makes tags and moves none; a promoter moves those of its names, and both are recorded", async () => {
  const { trainer, promoter, admin, reader } = clients;
  const writing = trainer.registry();
  const other = (await writing.store({ operator: { ...operator, config: { a: 1 } } })).model.hash;
  expect(await failureOf(writing.store({ operator, name: "production" }))).toMatchObject(denied);
  expect(await failureOf(writing.tag(other, "lab-model", { force: true }))).toMatchObject({
    ...denied,
    field: "name",
  });
  expect(await failureOf(writing.tag(other, "lab-model"))).toMatchObject({ code: "TAG_EXISTS" });
  expect(await failureOf(writing.deleteTag("lab-model"))).toMatchObject(denied);

  const promoting = promoter.registry();
  const moved = await promoting.tag(other, "production", { actor: "mallory@evil", reason: "better" });
  expect(moved).toMatchObject({ principal: "promoter", actor: "mallory@evil" });
  expect(await promoting.tag(other, "lab-model", { force: true })).toMatchObject({ principal: "promoter" });
  expect(await promoting.rollback("lab-model")).toMatchObject({ hash: model, principal: "promoter" });
  expect(await failureOf(promoting.tag(other, "elsewhere"))).toMatchObject(denied);
  expect(await failureOf(promoting.store({ operator }))).toMatchObject(denied);
  expect(await failureOf(promoter.startRun({ name: "lab-x" }))).toMatchObject(denied);
  expect(await promoting.pin(other)).toMatchObject({ hash: other });
  expect(await promoting.unpin(other)).toBe(true);

  const history = await drained(admin.registry().history("lab-model"));
  expect(history.map(({ principal }) => principal)).toEqual(["promoter", "promoter", "trainer"]);
  expect(await local.registry().tag(model, "production", { force: true })).toMatchObject({
    principal: local.daemon.principal,
  });

  // Who may not see a tag does not hear of it beside a model, in a list, or by a reference.
  const reading = reader.registry();
  expect((await admin.registry().stat(model)).tags).toContain("production");
  expect((await reading.stat(model)).tags).toEqual(["lab-model"]);
  expect((await drained(reading.list())).flatMap(({ tags }) => tags)).toEqual(["lab-model"]);
  expect((await drained(reading.tags())).map(({ name }) => name)).toEqual(["lab-model"]);
  for (const call of [
    reading.stat("production"),
    reading.resolve("production~1"),
    reading.loadWeights("production@1"),
    drained(reading.history("production")),
    drained(reading.watchTag("production")),
    reading.diff(model, "production"),
  ]) {
    expect(await failureOf(call)).toMatchObject(denied);
  }
});

test("a registry that is not among one's names is refused before anything is asked of it", async () => {
  const foreign = clients.reader.registry("s3://team/models/");
  expect(await failureOf(foreign.stat(model))).toMatchObject({ ...denied, field: "registry" });
  expect(await failureOf(drained(foreign.tags()))).toMatchObject({ ...denied, field: "registry" });
  expect(await failureOf(clients.reader.registry("nonsense:x").stat(model))).toMatchObject({
    code: "INVALID_REGISTRY_SPEC",
  });
});

test("no token stands in the log", () => {
  const log = readFileSync(`${lab.daemon.stateFolder}/logs/daemon.log`, "utf8");
  expect(log).not.toContain("0123456789");
});
