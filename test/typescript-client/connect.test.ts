import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { connect, PipekitError, runtimeFolder, socketPath, stateFolder, VERSION } from "@pipekit/experiment";
import { afterEach, beforeEach, expect, test } from "vitest";
import { foldersOf, socketPathOf } from "../../daemon/config/index.ts";
import { FakeDaemon } from "../support/fake-daemon.ts";

const ROOT = resolve(import.meta.dirname, "../..");
let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "pkx-c-"));
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

test("client and daemon agree on where things are", () => {
  mkdirSync(join(home, "state"));
  const environments = [
    {},
    { PKX_STATE_DIR: join(home, "state"), PKX_RUNTIME_DIR: "relative/run" },
    { XDG_STATE_HOME: "/x/state", XDG_RUNTIME_DIR: "/run/user/7" },
    { XDG_STATE_HOME: "not/absolute", XDG_RUNTIME_DIR: "nor/this" },
    { PKX_STATE_DIR: "", PKX_RUNTIME_DIR: "" },
  ];
  for (const env of environments) {
    const folders = foldersOf(env, "/home/u", 1234);
    expect(stateFolder(env, "/home/u")).toBe(folders.stateFolder);
    expect(runtimeFolder(env, 1234)).toBe(folders.runtimeFolder);
    expect(socketPath("/run/x", folders.stateFolder)).toBe(socketPathOf("/run/x", folders.stateFolder));
  }
});

test("the version is the package's", () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, "clients/typescript/package.json"), "utf8"));
  expect(VERSION).toBe(manifest.version);
});

test("an endpoint is named by option or environment, and must be a socket", async () => {
  const daemon = await new FakeDaemon().start();
  await using client = await connect({ env: { PKX_ENDPOINT: daemon.endpoint } });
  expect(client.daemon.stateFolder).toBe(daemon.folder);
  await expect(connect({ endpoint: "http://127.0.0.1:80" })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    field: "endpoint",
  });
  daemon.remove();
});

test("with start: false an absent daemon is a typed failure at once", async () => {
  const env = { PKX_STATE_DIR: join(home, "state"), PKX_RUNTIME_DIR: join(home, "run") };
  await expect(connect({ start: false, env })).rejects.toMatchObject({
    code: "DAEMON_UNAVAILABLE",
    mend: expect.stringContaining("pkx serve"),
  });
  expect(existsSync(join(home, "state"))).toBe(false);
});

test("a runtime folder that others can write is refused", async () => {
  const run = join(home, "run");
  mkdirSync(run);
  chmodSync(run, 0o777);
  const env = { PKX_STATE_DIR: join(home, "state"), PKX_RUNTIME_DIR: run };
  await expect(connect({ env })).rejects.toMatchObject({ code: "UNSAFE_FOLDER", field: run });
});

test("something else that listens is named, and left alone", async () => {
  const socket = join(home, "other.sock");
  const other = createServer((connection) => {
    connection.on("error", () => undefined);
    connection.end("220 mail\r\n");
  }).listen(socket);
  const failure = await connect({ endpoint: `unix:${socket}`, timeoutMs: 3000 }).catch(
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({
    code: "DAEMON_UNAVAILABLE",
    message: expect.stringContaining("does not answer as a daemon"),
  });
  expect(existsSync(socket)).toBe(true);
  other.close();
});

test("a daemon of another protocol says what to update", async () => {
  const daemon = await new FakeDaemon().start();
  daemon.hello = () => {
    throw new PipekitError("PROTOCOL_MISMATCH", "Too old.", { mend: "Update the client." });
  };
  await expect(connect({ endpoint: daemon.endpoint })).rejects.toMatchObject({
    code: "PROTOCOL_MISMATCH",
    mend: "Update the client.",
  });
  daemon.remove();
});

test("an abort ends the wait for a daemon", async () => {
  const program = join(home, "never.mjs");
  writeFileSync(program, "setTimeout(() => {}, 3000)");
  const env = { ...process.env, ...folders(), PKX_DAEMON: program };
  await expect(connect({ env, signal: AbortSignal.timeout(200) })).rejects.toMatchObject({
    name: "TimeoutError",
  });
});

test("why a daemon cannot start is told in its own words", async () => {
  const program = join(home, "failing.mjs");
  writeFileSync(
    program,
    `process.stderr.write("pkx serve: idle_exit_s in /a.yaml is wrong. [INVALID_DAEMON_CONFIG: idle_exit_s]\\n  Set it right.\\n"); process.exit(1)`,
  );
  const env = { ...process.env, ...folders(), PKX_DAEMON: program };
  await expect(connect({ env })).rejects.toMatchObject({
    code: "INVALID_DAEMON_CONFIG",
    message: "The daemon cannot start: idle_exit_s in /a.yaml is wrong.",
    field: "idle_exit_s",
    mend: "Set it right.",
  });
  const gone = { ...env, PKX_DAEMON: join(home, "nothing.mjs") };
  await expect(connect({ env: gone })).rejects.toMatchObject({
    code: "DAEMON_UNAVAILABLE",
    field: "PKX_DAEMON",
  });
});

test("a process that forgets to end its run still exits, and what it logged arrives", async () => {
  const daemon = await new FakeDaemon().start();
  const script = `
    import { connect } from "@pipekit/experiment";
    const client = await connect();
    const run = await client.startRun();
    run.log({ a: 1 });`;
  const file = join(ROOT, "test/typescript-client", `.forgetful-${process.pid}.mjs`);
  writeFileSync(file, script);
  try {
    await promisify(execFile)(process.execPath, [file], {
      env: { ...process.env, PKX_ENDPOINT: daemon.endpoint },
      timeout: 20_000,
    });
  } finally {
    rmSync(file);
  }
  expect([...daemon.tracker.runs.values()][0]?.points).toEqual([{ key: "a", step: 0, value: 1 }]);
  daemon.remove();
});

function folders() {
  return { PKX_STATE_DIR: join(home, "state"), PKX_RUNTIME_DIR: join(home, "run"), PKX_ENDPOINT: undefined };
}
