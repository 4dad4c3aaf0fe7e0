import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { connect } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { toolPath } from "../support/tools.ts";

const PROXY = resolve(import.meta.dirname, "../support/socket-proxy.ts");

let daemon: TestDaemon;
let here: string;
let socket: string;
let forwarding: ChildProcess;

beforeAll(async () => {
  daemon = await startDaemon();
  here = temporaryHome();
  socket = join(here, "afar.sock");
  forwarding = await forward();
});

afterAll(async () => {
  forwarding.kill();
  await daemon.stop();
  rmSync(here, { recursive: true, force: true });
});

async function forward(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [PROXY, socket, daemon.socketPath], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return child;
}

/** An environment with folders of its own, that knows the daemon by the forwarded socket. */
function env() {
  return {
    PKX_ENDPOINT: `unix:${socket}`,
    PKX_STATE_DIR: join(here, "state"),
    PKX_RUNTIME_DIR: join(here, "run"),
  };
}

test("a client goes on over a forwarding that broke off, and starts no daemon of its own", async () => {
  const client = await connect({ env: env() });
  expect(client.daemon.stateFolder).toBe(daemon.stateFolder);
  const run = await client.startRun({ name: "forwarded" });
  run.log({ loss: 1 }, 0);
  await run.flush();
  const updates = client.watchMetrics(run.runId);
  expect((await updates.next()).value).toMatchObject({ restart: true, series: [{ key: "loss" }] });

  forwarding.kill("SIGKILL");
  await once(forwarding, "exit");
  run.log({ loss: 2 }, 1);
  forwarding = await forward();
  await run.end();
  let seen: number[] = [];
  for await (const { series, restart } of updates) {
    if (restart) seen = [];
    for (const { values } of series) seen.push(...values);
    if (seen.length === 2) break;
  }
  expect(seen).toEqual([1, 2]);
  expect((await client.getRun(run.runId)).points).toBe(2);
  expect(existsSync(join(here, "state", "journal.db"))).toBe(false);
  client.close();
});

test("Python logs over the forwarded socket", async () => {
  const script = [
    "import pipekit_experiment as px",
    "with px.start_run('forwarded by Python') as run:",
    "    for step in range(100): run.log({'loss': step}, step=step)",
    "print(run.run_id)",
  ].join("\n");
  const environment = { ...process.env, ...env() };
  const runId = execFileSync(toolPath("python"), ["-c", script], { env: environment }).toString().trim();
  const client = await connect({ endpoint: daemon.endpoint });
  expect(await client.getRun(runId)).toMatchObject({ points: 100, name: "forwarded by Python" });
  client.close();
  expect(existsSync(join(here, "state", "journal.db"))).toBe(false);
});

test("what Python keeps while the forwarding is away reaches the daemon afar, and never one of its own host", async () => {
  const environment = { ...process.env, ...env() };
  const python = (script: string) =>
    execFileSync(toolPath("python"), ["-W", "ignore", "-c", script], { env: environment }).toString().trim();
  forwarding.kill("SIGKILL");
  await once(forwarding, "exit");
  const runId = python(
    [
      "import pipekit_experiment as px",
      "run = px.start_run('away')",
      "for step in range(100): run.log({'loss': step}, step=step)",
      "run.end(timeout_s=0.1)",
      "print(run.run_id)",
    ].join("\n"),
  );
  const spools = () =>
    readdirSync(join(here, "state"), { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".frames"),
    );
  const left = spools();
  expect(left).toEqual([expect.stringMatching(/^spool-[0-9a-f]{16}\//)]);

  // What is its own and younger it takes, so that it has looked at all.
  environment.PKX_ENDPOINT = `unix:${join(here, "state", "none.sock")}`;
  python(
    "import pipekit_experiment as px\nrun = px.start_run('here')\nrun.log({'a': 1})\nrun.end(timeout_s=0.1)",
  );
  expect(spools()).toHaveLength(2);
  const local = await startDaemon({ home: here });
  await expect.poll(spools, { timeout: 10_000 }).toHaveLength(1);
  await local.stop();
  expect(spools()).toEqual(left);

  environment.PKX_ENDPOINT = `unix:${socket}`;
  forwarding = await forward();
  expect(python("import pipekit_experiment as px; print(px.replay_spool(20))")).toBe("0");
  expect(spools()).toEqual([]);
  const client = await connect({ endpoint: daemon.endpoint, env: {} });
  expect(await client.getRun(runId)).toMatchObject({ points: 100, name: "away" });
  client.close();
});
