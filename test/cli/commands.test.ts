import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, connect, PipekitError, SinkState } from "@pipekit/experiment";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeDaemon } from "../support/fake-daemon.ts";
import { type CliOptions, pkx } from "../support/terminal.ts";

let daemon: FakeDaemon;
let client: Client;
let env: { [name: string]: string };

beforeEach(async () => {
  daemon = await new FakeDaemon().start();
  client = await connect({ endpoint: daemon.endpoint });
  env = {
    PKX_ENDPOINT: daemon.endpoint,
    PKX_STATE_DIR: daemon.folder,
    PKX_RUNTIME_DIR: daemon.folder,
    PKX_CONFIG: "",
  };
});

afterEach(() => {
  client.close();
  daemon.remove();
});

function run(args: string[], options: CliOptions = {}) {
  return pkx(args, { env, ...options });
}

async function json(args: string[]) {
  const { out } = await run([...args, "--json"]);
  return JSON.parse(out);
}

test("help names every command and the exit codes", async () => {
  const { code, out } = await run(["--help"]);
  expect(code).toBe(0);
  for (const name of [
    "serve",
    "health",
    "status",
    "wait",
    "top",
    "sync",
    "dead-letters",
    "prune",
    "audit",
    "journal",
    "stop",
    "doctor",
    "runs",
    "logs",
    "models",
    "tag",
    "resolve",
    "history",
    "data",
    "artifact",
    "hydra",
  ]) {
    expect(out).toMatch(new RegExp(`^  ${name}\\b`, "m"));
  }
  expect(out).toMatchSnapshot();
});

const COMMANDS = [
  ["status"],
  ["top"],
  ["sync"],
  ["dead-letters", "list"],
  ["dead-letters", "show"],
  ["dead-letters", "redrive"],
  ["prune"],
  ["audit", "list"],
  ["audit", "verify"],
  ["audit", "head"],
  ["journal", "verify"],
  ["journal", "salvage"],
  ["stop"],
  ["wait"],
  ["doctor"],
  ["support-bundle"],
  ["runs", "list"],
  ["runs", "show"],
  ["runs", "watch"],
  ["logs"],
  ["models", "list"],
  ["models", "show"],
  ["models", "verify"],
  ["models", "load"],
  ["models", "store"],
  ["models", "copy"],
  ["models", "export"],
  ["models", "import"],
  ["models", "diff"],
  ["models", "gc"],
  ["models", "pin"],
  ["models", "unpin"],
  ["models", "pins"],
  ["tag"],
  ["tags"],
  ["rollback"],
  ["untag"],
  ["resolve"],
  ["history"],
  ["hydra", "check"],
  ["hydra", "show"],
];

test.each(COMMANDS)("pkx %s %s has examples, --json and --state-dir", async (...args) => {
  const { code, out } = await run([...args.filter(Boolean), "--help"]);
  expect(code).toBe(0);
  expect(out).toContain("--json");
  expect(out).toContain("--state-dir");
  expect(out).toMatch(new RegExp(`Examples:\\n  pkx ${args.filter(Boolean).join(" ")}`));
});

test.each(["runs", "models", "dead-letters"])("pkx %s has examples", async (group) => {
  const { code, out } = await run([group, "--help"]);
  expect(code).toBe(0);
  expect(out).toMatch(new RegExp(`Examples:\\n  pkx ${group} list`));
});

test("with --json a failure is a line of JSON that names code, field and mend", async () => {
  const { code, out, err } = await run(["runs", "show", "01JB3C8Z000000000000000000", "--json"]);
  expect({ code, out }).toEqual({ code: 3, out: "" });
  expect(JSON.parse(err)).toEqual({
    error: {
      code: "RUN_NOT_FOUND",
      message: expect.any(String),
      field: expect.any(String),
      mend: expect.any(String),
    },
  });
});

test.each([
  [["nonsense"]],
  [["runs", "show"]],
  [["runs", "list", "--limit", "none"]],
  [["runs", "list", "--state", "odd"]],
  [["status", "--odd"]],
  [["models", "load", "x"]],
])("a wrong command line exits 2: %j", async (args) => {
  const { code, out, err } = await run(args);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toMatch(/^error: /);
});

test("status of a daemon, and of none", async () => {
  expect(await json(["status"])).toMatchObject({
    running: true,
    daemonVersion: "0.1.0",
    endpoint: daemon.endpoint,
  });
  const { out } = await run(["status"]);
  expect(out).toMatch(/^running\ndaemon {4}version 0\.1\.0, pid \d+, up .*\n/);
  daemon.stop();
  expect(await run(["status"])).toMatchObject({ code: 0, out: expect.stringContaining("No daemon runs") });
  expect(await json(["status"])).toEqual({ running: false });
  expect(await run(["runs", "list", "--no-start"])).toMatchObject({
    code: 5,
    out: "",
    err: expect.stringMatching(
      /^error DAEMON_UNAVAILABLE: No daemon answers at .*\nStart it with `pkx serve`/,
    ),
  });
});

test("stop waits for delivery as asked, and says when none runs", async () => {
  const stopping = run(["stop", "--wait-for-delivery", "9"]);
  await expect.poll(() => daemon.shutdowns).toEqual([9]);
  await stopping;
  await expect.poll(() => existsSync(daemon.socket)).toBe(false);
  expect(await run(["stop"])).toMatchObject({ code: 0, out: "No daemon runs.\n" });
});

test("a daemon whose endpoint was named is gone when it answers no more, whoever has its pid on this host", async () => {
  // Its pid is that of this process, which does not go away.
  const { code, out } = await run(["stop"]);
  expect(code).toBe(0);
  expect(out).toMatch(new RegExp(`^Stopped \\(pid ${process.pid}\\)`));
});

test("runs are listed and shown with sinks and charts", async () => {
  daemon.tracker.sinks = [
    {
      spec: "mlflow+http://127.0.0.1:5000/digits",
      state: SinkState.SINK_STATE_RETRYING,
      pointsSent: 10,
      pointsPending: 52,
      pointsDead: 0,
      lastError: "The server answered 503.",
      retryAtUs: 0,
      remoteId: "abc",
      remoteUrl: "",
      pointsShown: -1,
      notes: ["The key a:b is shown as a_b."],
      pendingSinceUs: 0,
    },
  ];
  const writer = await client.startRun({
    name: "digits \x1b[31mred",
    config: { lr: 0.1 },
    tags: { team: "a" },
  });
  for (let step = 0; step < 30; step++) writer.log({ loss: 1 / (step + 1), "val/acc": step / 30 });
  writer.log({ odd: Number.NaN });
  writer.logParams({ epochs: 3 });
  await writer.end();

  const listed = await json(["runs", "list"]);
  expect(listed.runs).toHaveLength(1);
  expect(listed.runs[0]).toMatchObject({
    runId: writer.runId,
    state: "completed",
    config: { lr: 0.1 },
    sinks: [{ state: "retrying" }],
  });
  expect((await run(["runs", "list", "--state", "running"])).out).toBe("No runs.\n");
  const { out: text } = await run(["runs", "list"]);
  expect(text).toContain("digits \ufffd[31mred");

  const shown = await json(["runs", "show", writer.runId.slice(0, 20)]);
  expect(shown).toMatchObject({
    params: { epochs: "3" },
    points: 61,
    series: [{ key: "loss", points: 30 }, { key: "odd", minValue: null }, {}],
  });
  const { out } = await run(["runs", "show", writer.runId]);
  expect(out).toContain("mlflow+http://127.0.0.1:5000/digits  retrying");
  expect(out).toContain("10 points sent, 52 pending");
  expect(out).toContain("The server answered 503.");
  expect(out).toMatch(/^ {2}METRIC +POINTS +LAST STEP/m);
  expect(out).toMatch(/^loss\n.*1┤━?┓/m);
  expect(out).toContain("(no finite value)");
  expect(out).not.toContain("\x1b");

  const { out: one } = await run([
    "runs",
    "show",
    writer.runId,
    "--metric",
    "loss",
    "--metric",
    "lost",
    "--width",
    "40",
  ]);
  expect(one).toMatch(/└─{40}\n/);
  expect(one).toContain("No metric is called lost.");
  expect(one).not.toMatch(/^val\/acc\n/m);
  expect(await run(["runs", "show", "01XXXXXXXXX"])).toMatchObject({ code: 3, out: "" });
});

test("runs watch prints a line of JSON a change until it is interrupted", async () => {
  const writer = await client.startRun({ name: "a" });
  await writer.end();
  const abort = new AbortController();
  const { code, out } = await run(["runs", "watch", "--json"], {
    signal: abort.signal,
    onOut: () => abort.abort(),
  });
  expect(code).toBe(130);
  expect(JSON.parse(out)).toMatchObject({ name: "a", state: "completed" });
});

test("models are stored, listed, shown, tagged, resolved, loaded", async () => {
  const operator = join(daemon.folder, "op.json");
  const weights = join(daemon.folder, "w.bin");
  writeFileSync(operator, '{"module":"nets","class":"Digits","config":{"width":32}}');
  writeFileSync(weights, "weights");
  const store = [
    "models",
    "store",
    operator,
    "--weights",
    weights,
    "--format",
    "raw",
    "--metadata",
    '{"team":"vision"}',
  ];
  const { model, created } = await json([...store, "--name", "candidate"]);
  expect(created).toBe(true);
  expect(await run(["resolve", "candidate"])).toEqual({ code: 0, out: `${model.hash}\n`, err: "" });
  expect((await run(["models", "list"])).out).toMatch(
    new RegExp(`^MODEL .*\\n${model.hash.slice(0, 12)} +nets\\.Digits +7 B +raw .* candidate\\n$`),
  );
  expect(await json(["models", "show", "candidate"])).toMatchObject({
    operator: { class: "Digits" },
    metadata: { team: "vision" },
    tags: ["candidate"],
  });

  const other = daemon.registry.addModel(Buffer.from("other")).hash;
  expect(await run(["tag", other, "candidate"])).toMatchObject({
    code: 4,
    err: expect.stringMatching(/^error TAG_EXISTS: .*\nGive --force/),
  });
  expect(await run(["tag", other, "candidate", "--expected", other])).toMatchObject({ code: 4 });
  expect(await json(["tag", other, "candidate", "--force", "--reason", "better"])).toMatchObject({
    seq: 2,
    hash: other,
    previousHash: model.hash,
  });
  expect((await json(["history", "candidate"])).moves.map((move: { seq: number }) => move.seq)).toEqual([
    2, 1,
  ]);
  expect((await run(["history", "candidate"])).out).toMatch(/^MOVE +MODEL .*\n +2 +/);
  expect(await run(["history", "nothing"])).toMatchObject({ code: 3 });

  const to = join(daemon.folder, "loaded");
  expect(await run(["models", "load", model.hash, "--to", to])).toMatchObject({
    code: 0,
    out: expect.stringContaining("verified"),
  });
  expect(readFileSync(to, "utf8")).toBe("weights");
  daemon.registry.tamper = (chunk) => Buffer.from(chunk).fill(0);
  expect(await run(["models", "load", model.hash, "--to", `${to}2`])).toMatchObject({
    code: 6,
    err: expect.stringContaining("error CORRUPT_MODEL"),
  });
  expect(existsSync(`${to}2`)).toBe(false);
});

test("models verify exits 6 when one is damaged", async () => {
  const good = daemon.registry.addModel(Buffer.from("good"));
  expect(await run(["models", "verify"])).toMatchObject({
    code: 0,
    out: expect.stringContaining("1 sound, 0 damaged"),
  });
  daemon.registry.models.set("bad", { model: { ...good, hash: "bad" }, weights: Buffer.from("rotten") });
  const { code, out } = await run(["models", "verify", "--json"]);
  expect(code).toBe(6);
  const findings = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(findings.map((finding) => finding.problems.length)).toEqual([0, 1]);
});

test("a store of what is no JSON object is refused before anything is sent", async () => {
  const file = join(daemon.folder, "op.json");
  writeFileSync(file, "[1]");
  expect(await run(["models", "store", file])).toMatchObject({
    code: 2,
    err: expect.stringContaining("error INVALID_CONFIG"),
  });
  expect(await run(["models", "store", `${file}x`])).toMatchObject({
    code: 2,
    err: expect.stringContaining("cannot be read"),
  });
  expect(daemon.registry.models.size).toBe(0);
});

test("colours are for terminals, and NO_COLOR is obeyed", async () => {
  expect((await run(["status"], { isTerminal: true })).out).toContain("\x1b[32mrunning");
  expect((await run(["status"], { isTerminal: true, env: { ...env, NO_COLOR: "1" } })).out).not.toContain(
    "\x1b",
  );
  expect((await run(["status"])).out).not.toContain("\x1b");
});

test("doctor finds what is wrong and tells the mend", async () => {
  expect(await json(["doctor"])).toMatchObject({ ok: true });
  const open = join(daemon.folder, "open");
  mkdirSync(open);
  chmodSync(open, 0o755);
  const config = join(daemon.folder, "config.yaml");
  writeFileSync(config, "idle_exit: 3\n");
  daemon.tracker.sinks = [
    {
      spec: "mlflow://host/x",
      state: SinkState.SINK_STATE_REFUSED,
      pointsSent: 0,
      pointsPending: 0,
      pointsDead: 3,
      lastError: "403 Forbidden.",
      retryAtUs: 0,
      remoteId: "",
      remoteUrl: "",
      pointsShown: -1,
      notes: [],
      pendingSinceUs: 0,
    },
  ];
  await (await client.startRun()).end();
  const args = { env: { ...env, PKX_RUNTIME_DIR: open, PKX_CONFIG: config } };
  const { code, out } = await run(["doctor", "--json"], args);
  const findings: { check: string; state: string; message: string; mend?: string }[] =
    JSON.parse(out).findings;
  const problems = findings.filter(({ state }) => state === "problem");
  expect(code).toBe(1);
  expect(problems.map(({ check }) => check)).toEqual(["runtime folder", "config", "sinks"]);
  expect(problems[0]?.mend).toBe(`Close it: chmod 700 ${open}`);
  expect(problems[1]?.message).toContain("idle_exit");
  expect(problems.every(({ mend }) => mend)).toBe(true);
  expect((await run(["doctor"], args)).out).toMatch(/3 problems found\.\n$/);
});

test("doctor tells a daemon of another protocol", async () => {
  daemon.hello = () => {
    throw new PipekitError("PROTOCOL_MISMATCH", "Too old.", { mend: "Update the client." });
  };
  const { code, out } = await run(["doctor"]);
  expect(code).toBe(1);
  expect(out).toMatch(/problem {2}daemon {10}Too old\.\n +Update the client\./);
});
