/** `pkx lsp --stdio` as an editor runs it, against a real daemon. */
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { type Client, connect, PipekitError } from "@pipekit/experiment";
import type { DaemonDocument, EditorNotifications } from "@pipekit/proto/editor";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CompletionList, Hover, PublishDiagnosticsParams } from "vscode-languageserver/node";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { failure, framed, TestEditor } from "../support/editor-client.ts";
import { FakeDaemon } from "../support/fake-daemon.ts";

const URI = "file:///w/serve.py";
const TEXT =
  'from pipekit_experiment import registry\nmodel = registry.load("production")\nother = registry.load("produktion")\n';
const ON_REF = { textDocument: { uri: URI }, position: { line: 1, character: 25 } };

let daemon: TestDaemon;
let client: Client;
let hash: string;

beforeAll(async () => {
  daemon = await startDaemon();
  client = await connect({ endpoint: daemon.endpoint });
  const operator = { module: "nets", class: "Digits", config: {} };
  const stored = await client.registry().store({
    operator,
    weights: randomBytes(1000),
    name: "production",
    actor: "ada",
  });
  hash = stored.model.hash;
});

afterAll(async () => {
  client.close();
  await daemon.stop();
});

const start = (env = daemon.clientEnv) => new TestEditor({ env, args: ["--no-start"] });

describe("with a daemon", () => {
  test("an editor hovers, completes, is diagnosed, and ends it with 0", async () => {
    await using editor = start();
    await editor.initialize();
    await editor.open(URI, "python", TEXT);
    // The first one may come before the registry has been read.
    const card = async () => JSON.stringify(await editor.request<Hover>("textDocument/hover", ON_REF));
    await expect.poll(card, { timeout: 10_000 }).toContain(hash);
    for (const part of ["ada", "Digits"]) expect(await card()).toContain(part);
    const list = await editor.request<CompletionList>("textDocument/completion", ON_REF);
    expect(list.items.map(({ label }) => label)).toContain("production");
    const { diagnostics, version } = await editor.told<PublishDiagnosticsParams>(
      "textDocument/publishDiagnostics",
      (it) => it.diagnostics.length > 0,
    );
    expect(version).toBe(1);
    expect(diagnostics).toEqual([
      expect.objectContaining({ source: "pipekit", message: expect.stringContaining("produktion") }),
    ]);
    expect(await editor.shutDown()).toEqual({ code: 0, signal: null });
  });

  test("a page in it sees runs move, and follows a metric", async () => {
    await using editor = start();
    await editor.initialize({ initializationOptions: { pipekit: { notifications: true } } });
    await editor.told<EditorNotifications["pipekit/runStatus"]>("pipekit/runStatus", ({ all }) => all);
    const run = await client.startRun({ name: "digits" });
    run.log({ loss: 0.5 }, 1);
    const told = await editor.told<EditorNotifications["pipekit/runStatus"]>(
      "pipekit/runStatus",
      ({ runs }) => runs.some(({ name, points }) => name === "digits" && points > 0),
    );
    const { runId = "" } = told.runs.find(({ name }) => name === "digits") ?? {};
    await editor.request("pipekit/follow", { runId });
    run.log({ loss: 0.25 }, 2);
    await editor.told<EditorNotifications["pipekit/points"]>("pipekit/points", ({ series }) =>
      series.some(({ values }) => values.includes(0.25)),
    );
    await run.end();
    await editor.told<EditorNotifications["pipekit/runStatus"]>("pipekit/runStatus", ({ runs }) =>
      runs.some((it) => it.runId === runId && it.state === "completed"),
    );
    const error = await failure(editor.request("pipekit/run", { runId: "01JZZZZZZZZZZZZZZZZZZZZZZZ" }));
    expect(error).toMatchObject({ code: -32803, data: { code: "RUN_NOT_FOUND" } });
    const wrong = await failure(editor.request("pipekit/runs", { limit: "all" }));
    expect(wrong).toMatchObject({ code: -32602, data: { code: "INVALID_ARGUMENT", field: "limit" } });
  });

  test("bytes that are no message end nothing", async () => {
    await using editor = start();
    await editor.initialize();
    for (const bytes of [
      randomBytes(100_000),
      Buffer.from('Content-Length: 30\r\n\r\n{"jsonrpc":"2.0"}', "utf16le"),
      "Content-Length: -1\r\n\r\n{}",
      "Content-Length: 9999999999999\r\n\r\n{}",
      "\r\n\r\n\r\n\r\n",
      framed(Buffer.from([0x7b, 0xff, 0xfe]).toString("latin1")),
      framed("[]"),
      framed({ jsonrpc: "2.0", method: "textDocument/didOpen", params: { textDocument: [] } }),
      "Content-Length: 5000\r\n\r\n{half a mess",
    ]) {
      editor.write(bytes);
    }
    expect(await editor.request("pipekit/daemon")).toMatchObject({ state: "connected" });
    expect(await editor.shutDown()).toEqual({ code: 0, signal: null });
    expect(editor.stderr()).not.toContain("uncaught");
  });
});

test("standard output is the protocol's alone, and an error that nobody caught ends nothing", async () => {
  const script = `
    import { takeProtocolStreams } from ${JSON.stringify(resolve(import.meta.dirname, "../../daemon/editor/stdio.ts"))};
    const { output } = takeProtocolStreams();
    console.log("printed");
    process.stdout.write("written");
    Promise.reject(new Error("rejected"));
    setTimeout(() => { throw new Error("thrown"); });
    setTimeout(() => output.write("protocol"), 20);
  `;
  const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", script];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
  expect(stdout).toBe("protocol");
  for (const part of ["printed", "written", "rejected", "thrown"]) expect(stderr).toContain(part);
});

describe("the end", () => {
  test("without shutdown is 1: by exit, and by the end of the input", async () => {
    await using one = start();
    await one.initialize();
    await one.notify("exit");
    await using other = start();
    await other.initialize();
    other.child.stdin?.end();
    expect((await Promise.all([one.exited, other.exited])).map(({ code }) => code)).toEqual([1, 1]);
  });

  test("comes when the editor is gone, by the id that it told", async () => {
    const parent = spawn("sleep", ["60"]);
    await using editor = start();
    await editor.initialize({ processId: parent.pid ?? null });
    parent.kill("SIGKILL");
    expect((await editor.exited).code).toBe(1);
  });

  test("comes by SIGTERM", async () => {
    await using editor = start();
    await editor.initialize();
    editor.child.kill("SIGTERM");
    expect((await editor.exited).code).toBe(130);
  });
});

describe("without a daemon", () => {
  test("what is known is answered, the person told once; one that starts later, and again, is found", async () => {
    const home = temporaryHome();
    let own = await startDaemon({ home });
    await own.kill9();
    await using editor = start(own.clientEnv);
    await editor.initialize({ initializationOptions: { pipekit: { notifications: true } } });
    await editor.open(URI, "python", TEXT);
    for (let i = 0; i < 5; i += 1) {
      const error = await failure(editor.request("pipekit/runs"));
      expect(error).toMatchObject({ code: -32803, data: { code: "DAEMON_UNAVAILABLE" } });
    }
    await editor.request("textDocument/hover", ON_REF);
    expect(await editor.request("workspace/symbol", { query: "x" })).toEqual([]);
    expect(await editor.request("pipekit/daemon")).toMatchObject({ state: "unavailable" });
    expect(editor.received("window/showMessage")).toHaveLength(1);
    const connected = ({ state }: DaemonDocument) => state === "connected";
    for (let i = 0; i < 2; i += 1) {
      editor.forget();
      own = await startDaemon({ home });
      await editor.told("pipekit/daemonStatus", connected);
      expect(await editor.request("pipekit/runs")).toMatchObject({ runs: [] });
      await own.kill9();
    }
    expect(editor.received("window/showMessage")).toEqual([]);
    rmSync(home, { recursive: true, force: true });
  });

  test("one of another protocol version is named, and nothing else fails", async () => {
    const fake = await new FakeDaemon().start();
    fake.hello = () => {
      throw new PipekitError("PROTOCOL_MISMATCH", "The daemon is too old.", { mend: "Update it." });
    };
    await using editor = start({ PKX_ENDPOINT: fake.endpoint });
    await editor.initialize();
    await editor.open(URI, "python", TEXT);
    const error = await failure(editor.request("pipekit/runs"));
    expect(error).toMatchObject({ code: -32803, data: { code: "PROTOCOL_MISMATCH", mend: "Update it." } });
    await failure(editor.request("pipekit/models"));
    await editor.request("textDocument/hover", ON_REF);
    expect(await editor.request("pipekit/daemon")).toMatchObject({ state: "incompatible" });
    const messages = editor.received<{ message: string }>("window/showMessage");
    expect(messages.map(({ message }) => message)).toEqual([expect.stringContaining("too old")]);
    fake.remove();
  });
});
