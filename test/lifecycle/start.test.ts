import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { socketPathOf } from "../../daemon/config/index.ts";
import { readDaemonInfo, whoAnswers } from "../../daemon/lifecycle/index.ts";
import { daemonCommand, type StartOptions, startDaemon, temporaryHome } from "../support/daemon.ts";

const script = join(import.meta.dirname, "stand-in.ts");
let home: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  home = temporaryHome();
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

async function start(options: StartOptions = {}) {
  const daemon = await startDaemon({ home, script, ...options });
  children.push(daemon.child);
  return daemon;
}

/** Starts a daemon that is not expected to serve, and waits for its end. */
async function run(options: StartOptions = {}) {
  const { command, args, env } = daemonCommand(home, { script, ...options });
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  return { code, stderr };
}

test("folders, socket, lock, log and info are private to the user", async () => {
  const daemon = await start();
  for (const folder of [daemon.stateFolder, daemon.runtimeFolder]) {
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  }
  expect(lstatSync(daemon.socketPath).mode & 0o777).toBe(0o600);
  for (const file of ["daemon.lock", "daemon.json", "logs/daemon.log"]) {
    expect(statSync(join(daemon.stateFolder, file)).mode & 0o777, file).toBe(0o600);
  }
  expect(readDaemonInfo(join(daemon.stateFolder, "daemon.json"))).toMatchObject({
    pid: daemon.pid,
    endpoint: daemon.endpoint,
  });
  expect(readFileSync(`/proc/${daemon.pid}/cmdline`, "utf8")).toContain("serve");
  await daemon.stop();
});

test("of ten that start at once one serves, and the others leave in peace", async () => {
  const racers = Array.from({ length: 10 }, () => {
    const { command, args, env } = daemonCommand(home, { script });
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    children.push(child);
    let output = "";
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk;
    });
    const won = once(child.stdout, "data").then(() => "serves" as const);
    const lost = once(child, "close").then(([code]) => ({ code, output }));
    return { child, outcome: Promise.race([won, lost]) };
  });
  const outcomes = await Promise.all(racers.map((racer) => racer.outcome));
  const winners = racers.filter((_, i) => outcomes[i] === "serves");
  expect(winners).toHaveLength(1);
  const pid = winners[0]?.child.pid;
  const losers = outcomes.filter((outcome) => outcome !== "serves");
  expect(losers).toEqual(
    Array.from({ length: 9 }, () => ({ code: 0, output: `already running (pid ${pid})\n` })),
  );
  expect(await whoAnswers(socketPathOf(join(home, "run"), join(home, "state")), 2000)).toEqual({
    kind: "daemon",
    pid,
  });
});

test("after kill -9 the next one removes the dead socket and serves", async () => {
  const first = await start();
  await first.kill9();
  expect(await whoAnswers(first.socketPath, 2000)).toEqual({ kind: "dead" });
  const second = await start();
  expect(second.endpoint).toBe(first.endpoint);
  expect(await whoAnswers(second.socketPath, 2000)).toEqual({ kind: "daemon", pid: second.pid });
});

test("kill -9 during the start leaves nothing in the way", async () => {
  const { command, args, env } = daemonCommand(home, { script, env: { PKX_TEST_HANG: "open" } });
  const child = spawn(command, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  children.push(child);
  await once(child.stderr, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  const daemon = await start();
  expect(await whoAnswers(daemon.socketPath, 2000)).toEqual({ kind: "daemon", pid: daemon.pid });
});

test("one that holds the lock and does not answer is named after a while", async () => {
  const { command, args, env } = daemonCommand(home, { script, env: { PKX_TEST_HANG: "open" } });
  const child = spawn(command, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  children.push(child);
  await once(child.stderr, "data");
  const { code, stderr } = await run();
  expect(code).toBe(1);
  expect(stderr).toContain("daemon.lock and does not answer. [DAEMON_UNAVAILABLE: ");
});

test("something else that listens on the socket path is named and left alone", async () => {
  mkdirSync(join(home, "state"), { mode: 0o700 });
  mkdirSync(join(home, "run"), { mode: 0o700 });
  const path = socketPathOf(join(home, "run"), join(home, "state"));
  const stranger = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.end("220 mail.example.com ESMTP\r\n");
  }).listen(path);
  await once(stranger, "listening");
  try {
    const { code, stderr } = await run();
    expect(code).toBe(1);
    expect(stderr).toContain(`What is at ${path} is no daemon of ours: it does not answer as a daemon does.`);
    expect(existsSync(path)).toBe(true);
  } finally {
    stranger.close();
  }
});

test("a file at the socket path is named and left alone", async () => {
  mkdirSync(join(home, "state"), { mode: 0o700 });
  mkdirSync(join(home, "run"), { mode: 0o700 });
  const path = socketPathOf(join(home, "run"), join(home, "state"));
  writeFileSync(path, "precious");
  const { code, stderr } = await run();
  expect(code).toBe(1);
  expect(stderr).toContain("it is not a socket");
  expect(readFileSync(path, "utf8")).toBe("precious");
});

test("an unsafe state folder and a wrong config end the start with code 1 and the mend", async () => {
  mkdirSync(join(home, "state"));
  chmodSync(join(home, "state"), 0o755);
  const unsafe = await run();
  expect(unsafe.code).toBe(1);
  expect(unsafe.stderr).toContain(`[UNSAFE_FOLDER: ${join(home, "state")}]`);
  expect(unsafe.stderr).toContain(`Close it: chmod 700 ${join(home, "state")}`);
  const wrong = await run({ args: ["--idle-exit-s", "soon"] });
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toMatch(/\[INVALID_DAEMON_CONFIG: .*idle.exit.s\]/);
});

test("with --json why it cannot serve is a line of JSON", async () => {
  const { code, stderr } = await run({ args: ["--idle-exit-s", "soon", "--json"] });
  expect(code).toBe(1);
  expect(JSON.parse(stderr)).toMatchObject({
    error: {
      code: "INVALID_DAEMON_CONFIG",
      field: expect.stringMatching(/idle.exit.s/),
      mend: expect.any(String),
    },
  });
});

test("a wrong command line ends with code 2 and the help", async () => {
  const { code, stderr } = await run({ args: ["--port", "80"] });
  expect(code).toBe(2);
  expect(stderr).toContain("Unknown option '--port'");
  expect(stderr).toContain("Usage: pkx serve");
});
