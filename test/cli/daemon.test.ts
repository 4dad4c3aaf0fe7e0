/** `pkx` against the real daemon. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { socketPath } from "@pipekit/experiment";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { gone } from "../support/gone.ts";
import { pkx as pkxHere } from "../support/terminal.ts";

const MAIN = resolve(import.meta.dirname, "../../daemon/main.ts");

let home: string;
let env: NodeJS.ProcessEnv;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "pkx-"));
  mkdirSync(join(home, "state"), { mode: 0o700 });
  mkdirSync(join(home, "run"), { mode: 0o700 });
  env = {
    ...process.env,
    PKX_STATE_DIR: join(home, "state"),
    PKX_RUNTIME_DIR: join(home, "run"),
    PKX_ENDPOINT: undefined,
    PKX_CONFIG: undefined,
    XDG_CONFIG_HOME: home,
  };
});

afterEach(async () => {
  await pkx("stop");
  rmSync(home, { recursive: true, force: true });
});

function start(args: string[]): ChildProcess {
  return spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function pkx(...args: string[]) {
  return pkxHere(args, { env });
}

async function problems() {
  const { code, out } = await pkx("doctor", "--json");
  const { findings } = JSON.parse(out) as {
    findings: { check: string; state: string; message: string; mend: string }[];
  };
  return { code, problems: findings.filter(({ state }) => state === "problem"), findings };
}

test("from nothing: status starts no daemon, runs does, stop ends it", async () => {
  expect(JSON.parse((await pkx("status", "--json")).out)).toEqual({ running: false });
  expect(await pkx("runs", "list")).toMatchObject({ code: 0, out: "No runs.\n", err: "" });
  const { pid, running } = JSON.parse((await pkx("status", "--json")).out);
  expect(running).toBe(true);
  expect(await problems()).toMatchObject({ code: 0, problems: [] });
  expect((await pkx("logs", "--level", "info")).out).toMatch(/INFO/);
  expect(await pkx("stop", "--wait-for-delivery", "5")).toMatchObject({
    code: 0,
    out: `Stopped (pid ${pid}).\n`,
  });
  // It has ended; its entry goes when its parent, by now the system's first process, has looked.
  await gone(pid);
  expect(JSON.parse((await pkx("status", "--json")).out)).toEqual({ running: false });
});

test("doctor tells a socket left by a dead daemon, and a daemon that hangs", async () => {
  await pkx("runs", "list");
  const { pid } = JSON.parse((await pkx("status", "--json")).out);
  process.kill(pid, "SIGSTOP");
  const hung = await problems();
  expect(hung.code).toBe(1);
  expect(hung.problems.map(({ check }) => check)).toEqual(["socket", "lock"]);
  expect(hung.problems[1]?.message).toContain(`pid ${pid}`);
  process.kill(pid, "SIGKILL");
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow(), { timeout: 5000 });
  const dead = await problems();
  expect(dead).toMatchObject({ code: 0, problems: [] });
  expect(dead.findings.find(({ check }) => check === "socket")?.message).toContain(
    "left by a daemon that died",
  );
});

test("doctor names something else at the socket, and status does not take it for a daemon", async () => {
  const socket = socketPath(join(home, "run"), join(home, "state"));
  const other = createServer((connection) => {
    connection.on("error", () => undefined);
    connection.end("220 mail\r\n");
  }).listen(socket);
  await once(other, "listening");
  const { code, problems: found } = await problems();
  expect({ code, checks: found.map(({ check }) => check) }).toEqual({ code: 1, checks: ["socket"] });
  expect(await pkx("status")).toMatchObject({
    code: 5,
    err: expect.stringContaining("error DAEMON_UNAVAILABLE"),
  });
  other.close();
});

test("Ctrl-C ends a command that follows with 130, and a closed pipe ends it quietly", async () => {
  await pkx("runs", "list");
  const follow = start(["logs", "-f"]);
  await once(follow.stdout as NonNullable<typeof follow.stdout>, "data");
  follow.kill("SIGINT");
  expect((await once(follow, "close"))[0]).toBe(130);
  const piped = start(["--help"]);
  piped.stdout?.destroy();
  let err = "";
  piped.stderr?.on("data", (chunk) => {
    err += chunk;
  });
  expect((await once(piped, "close"))[0]).toBe(0);
  expect(err).toBe("");
});
