import { PipekitError } from "@pipekit/proto";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { CancellationTokenSource } from "vscode-jsonrpc/node";
import type { Range } from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import { watchParent } from "../../daemon/editor/parent.ts";
import { failure, framed } from "../support/editor-client.ts";
import { CONNECTED, startFakeServer } from "./fake-server.ts";

const URI = "file:///w/train.py";
const place = { textDocument: { uri: URI }, position: { line: 0, character: 0 } };
const opened = (text: string, uri = URI, languageId = "python") => ({
  textDocument: { uri, languageId, version: 1, text },
});
const never = (signal: AbortSignal) =>
  new Promise<never>((_, fail) => signal.addEventListener("abort", () => fail(signal.reason)));

/** The text of a file as the server has it, and as its source has it. */
async function textOf(server: ReturnType<typeof startFakeServer>, uri = URI): Promise<[string, string]> {
  const params = { textDocument: { uri }, position: { line: 0, character: 0 } };
  const hover = await server.client.sendRequest<{ contents: { value: string } }>(
    "textDocument/hover",
    params,
  );
  return JSON.parse(hover.contents.value) as [string, string];
}

describe("life", () => {
  test("requests before initialize and after shutdown are refused; exit after shutdown is 0", async () => {
    using server = startFakeServer();
    expect((await failure(server.client.sendRequest("textDocument/hover", place))).code).toBe(-32002);
    expect((await failure(server.client.sendRequest("shutdown"))).code).toBe(-32002);
    await server.initialize();
    expect((await failure(server.initialize())).code).toBe(-32600);
    expect((await failure(server.client.sendRequest("no/such"))).code).toBe(-32601);
    expect((await failure(server.client.sendRequest("$/no/such"))).code).toBe(-32601);
    expect(await server.client.sendRequest("shutdown")).toBeNull();
    expect((await failure(server.client.sendRequest("textDocument/hover", place))).code).toBe(-32600);
    await server.client.sendNotification("exit");
    expect(await server.ended).toBe(0);
    expect(server.view.closed).toBe(1);
  });

  test.each(["exit", "end"])("without shutdown it ends with 1: %s", async (how) => {
    using server = startFakeServer();
    await server.initialize();
    if (how === "exit") await server.client.sendNotification("exit");
    else server.input.end();
    expect(await server.ended).toBe(1);
  });

  test("a parent that nobody knew to begin with is of another machine, and not waited for", () => {
    vi.useFakeTimers();
    try {
      const gone = vi.fn();
      // Greater than any id of Linux.
      watchParent(2 ** 30, gone);
      vi.advanceTimersByTime(60_000);
      expect(gone).not.toHaveBeenCalled();
    } finally {
      vi.useRealTimers();
    }
  });

  test("initialize with wrong params is refused, and may be tried again", async () => {
    using server = startFakeServer();
    const refused = await failure(server.client.sendRequest("initialize", { capabilities: 3 }));
    expect(refused).toMatchObject({
      code: -32602,
      data: { code: "INVALID_ARGUMENT", field: "capabilities" },
    });
    await server.initialize();
  });

  test("a client that writes empty tables as lists can do what it says, and no more", async () => {
    using server = startFakeServer();
    const capabilities = {
      workspace: { inlayHint: [], codeLens: 1 },
      textDocument: { diagnostic: [], hover: [] },
    };
    await server.initialize({ capabilities, initializationOptions: [], workspaceFolders: [] });
    expect(server.context.markdown).toBe(true);
    await server.client.sendNotification("textDocument/didOpen", opened("x"));
    expect(await server.client.sendRequest("pipekit/daemon", [])).toEqual({});
    await server.client.sendNotification("workspace/didChangeConfiguration", { settings: { pipekit: [] } });
    await server.client.sendRequest("workspace/symbol", { query: "" });
    expect(server.told.map(({ method }) => method)).not.toContain("window/showMessage");
  });

  test("folders of the workspace come and go", async () => {
    using server = startFakeServer();
    const [a, b] = [
      { uri: "file:///a%20b", name: "a" },
      { uri: "vscode-remote://ssh/c", name: "c" },
    ];
    await server.initialize({ workspaceFolders: [a, b] });
    expect(server.context.workspaceFolders).toEqual(["/a b"]);
    const event = { added: [{ uri: "file:///d", name: "d" }], removed: [a] };
    await server.client.sendNotification("workspace/didChangeWorkspaceFolders", { event });
    await server.client.sendRequest("workspace/symbol", { query: "" });
    expect(server.context.workspaceFolders).toEqual(["/d"]);
  });
});

describe("messages that are none", () => {
  test("are refused by id where they have one, and cost nothing else", async () => {
    using server = startFakeServer();
    await server.initialize();
    for (const body of [
      "{bad",
      "[]",
      '[{"jsonrpc":"2.0","id":1,"method":"x"}]',
      "null",
      "7",
      '{"jsonrpc":"2.0","id":null,"method":"x"}',
      '{"jsonrpc":"2.0","id":{},"method":"x"}',
      '{"method":"$/cancelRequest"}',
      '{"method":"$/cancelRequest","params":{"id":null}}',
      '{"method":"textDocument/didOpen","params":3}',
      '{"id":5}',
      '{"id":99,"error":"no"}',
      '{"id":99,"result":1}',
      '{"method":"$/progress","params":[]}',
    ]) {
      server.input.write(framed(body));
    }
    server.input.write("Content-Length: many\r\n\r\n");
    server.input.write(Buffer.from("Content-Length: 5\r\n\r\n", "utf16le"));
    server.input.write("Content-Length: 999\r\n\r\n{half");
    expect(await server.client.sendRequest("workspace/symbol", { query: "" })).toEqual([]);
    const codes = server.refusals.map(({ error }) => error.code);
    expect(new Set(codes)).toEqual(new Set([-32700, -32600]));
    expect(codes.length).toBeGreaterThanOrEqual(10);
  });

  test.each([
    ["textDocument/hover", { textDocument: { uri: URI } }, "position"],
    [
      "textDocument/hover",
      { textDocument: { uri: URI }, position: { line: -1, character: 0 } },
      "position.line",
    ],
    ["textDocument/hover", [1, 2], ""],
    ["textDocument/hover", undefined, ""],
    ["textDocument/codeAction", { textDocument: { uri: URI }, range: 4, context: {} }, "range"],
    ["workspace/executeCommand", { command: 4 }, "command"],
    ["workspace/symbol", {}, "query"],
  ])("%s with wrong params is an error that names the field", async (method, params, field) => {
    using server = startFakeServer();
    await server.initialize();
    const error = await failure(server.client.sendRequest(method, params));
    expect(error).toMatchObject({ code: -32602, data: { code: "INVALID_ARGUMENT", field } });
  });

  test("notifications with wrong params, and about files that are not open, are left out", async () => {
    using server = startFakeServer();
    await server.initialize();
    await server.client.sendNotification("textDocument/didOpen", { textDocument: 1 });
    await server.client.sendNotification("textDocument/didChange", {
      textDocument: { uri: URI, version: 2 },
      contentChanges: [{ text: "x" }],
    });
    await server.client.sendNotification("textDocument/didClose", { textDocument: { uri: URI } });
    await server.client.sendNotification("no/such", {});
    expect(await server.client.sendRequest("textDocument/hover", place)).toBeNull();
    expect(server.log.join("")).toContain("is not open");
  });
});

describe("requests", () => {
  test("a cancelled one is answered at once, and its work stops", async () => {
    let stopped: unknown;
    using server = startFakeServer({
      hover: (_file, _at, signal) => {
        signal.addEventListener("abort", () => {
          stopped = signal.reason;
        });
        return never(signal);
      },
    });
    await server.initialize();
    await server.client.sendNotification("textDocument/didOpen", opened("x"));
    const source = new CancellationTokenSource();
    const answer = failure(server.client.sendRequest("textDocument/hover", place, source.token));
    await server.client.sendRequest("workspace/symbol", { query: "" });
    source.cancel();
    expect((await answer).code).toBe(-32800);
    expect(stopped).toBeInstanceOf(Error);
  });

  test("a cancelled one is answered at once, even when its work does not stop", async () => {
    using server = startFakeServer({ hover: () => new Promise(() => {}) });
    await server.initialize();
    await server.client.sendNotification("textDocument/didOpen", opened("x"));
    const source = new CancellationTokenSource();
    const answer = failure(server.client.sendRequest("textDocument/hover", place, source.token));
    await server.client.sendRequest("workspace/symbol", { query: "" });
    source.cancel();
    expect((await answer).code).toBe(-32800);
  });

  test("an answer about a text that is no more is ContentModified", async () => {
    using server = startFakeServer({ hover: (_file, _at, signal) => never(signal) });
    await server.initialize();
    await server.client.sendNotification("textDocument/didOpen", opened("x"));
    const answer = failure(server.client.sendRequest("textDocument/hover", place));
    await server.client.sendNotification("textDocument/didChange", {
      textDocument: { uri: URI, version: 2 },
      contentChanges: [{ text: "y" }],
    });
    expect((await answer).code).toBe(-32801);
  });

  test("a feature that throws is logged, and answers nothing", async () => {
    const broken = async () => Promise.reject(new Error("it broke"));
    using server = startFakeServer({
      hover: () => {
        throw new TypeError("at once");
      },
      lenses: broken,
      symbols: broken,
      execute: broken,
      diagnostics: broken,
    });
    await server.initialize({ capabilities: { textDocument: { diagnostic: {} } } });
    await server.client.sendNotification("textDocument/didOpen", opened("x"));
    expect(await server.client.sendRequest("textDocument/hover", place)).toBeNull();
    const file = { textDocument: { uri: URI } };
    expect(await server.client.sendRequest("textDocument/codeLens", file)).toEqual([]);
    expect(await server.client.sendRequest("workspace/symbol", { query: "" })).toEqual([]);
    expect(await server.client.sendRequest("textDocument/diagnostic", file)).toEqual({
      kind: "full",
      items: [],
    });
    const error = await failure(server.client.sendRequest("workspace/executeCommand", { command: "c" }));
    expect(error).toMatchObject({ code: -32603, data: { code: "INTERNAL", message: "it broke" } });
    expect(server.log.join("")).toMatch(/hover failed: at once[\s\S]*codeLens failed: it broke/);
  });

  test("those of the editor protocol go to the session, their failures come with code, field and mend", async () => {
    using server = startFakeServer();
    await server.initialize();
    server.view.answer = async (method, params) => ({ method, params });
    const asked = await server.client.sendRequest("pipekit/runs", { limit: 3 });
    expect(asked).toEqual({ method: "pipekit/runs", params: { limit: 3 } });
    expect(await server.client.sendRequest("pipekit/daemon")).toMatchObject({ params: {} });
    server.view.answer = async () => {
      throw new PipekitError("RUN_NOT_FOUND", "No run.", { field: "runId", mend: "Look." });
    };
    const error = await failure(server.client.sendRequest("pipekit/run", { runId: "x" }));
    expect(error).toMatchObject({
      code: -32803,
      message: "No run.",
      data: { code: "RUN_NOT_FOUND", message: "No run.", field: "runId", mend: "Look." },
    });
    expect((await failure(server.client.sendRequest("pipekit/nothing", {}))).code).toBe(-32601);
    expect((await failure(server.client.sendRequest("constructor", {}))).code).toBe(-32601);
  });

  test("a flood is answered, the part beyond the limit by an error", async () => {
    using server = startFakeServer({ hover: (_file, _at, signal) => never(signal) });
    await server.initialize();
    await server.client.sendNotification("textDocument/didOpen", opened("x"));
    const floods = Array.from({ length: 5000 }, () =>
      failure(server.client.sendRequest("textDocument/hover", place)),
    );
    await server.client.sendNotification("textDocument/didClose", { textDocument: { uri: URI } });
    const codes = (await Promise.all(floods)).map(({ code }) => code);
    expect(codes.filter((code) => code === -32801)).toHaveLength(2000);
    expect(codes.filter((code) => code === -32803)).toHaveLength(3000);
  });
});

describe("settings", () => {
  test("come from initialization options, then from what the client tells; a wrong one is told once", async () => {
    using server = startFakeServer();
    const initializationOptions = { pipekit: { registry: "/m", inlayHints: "yes", command: "theirs" } };
    await server.initialize({ initializationOptions });
    const change = async (pipekit: unknown) => {
      await server.client.sendNotification("workspace/didChangeConfiguration", { settings: { pipekit } });
      await server.client.sendRequest("workspace/symbol", { query: "" });
    };
    expect(server.context.settings).toMatchObject({ registry: "/m", inlayHints: true });
    for (const _ of [1, 2]) await change({ codeLens: false, inlayHints: "yes", pythonPath: ["src", 3] });
    expect(server.context.settings).toMatchObject({ registry: "/m", codeLens: false, pythonPath: [] });
    await change(null);
    expect(server.context.settings).toMatchObject({ registry: "/m", codeLens: true });
    const messages = server.told.filter(({ method }) => method === "window/showMessage");
    expect(messages.map(({ params }) => (params as { message: string }).message)).toEqual([
      expect.stringContaining("`pipekit.inlayHints`"),
      expect.stringContaining("`pipekit.pythonPath.1`"),
    ]);
  });

  test("are asked of a client that can be asked, which is told to say when they change", async () => {
    using server = startFakeServer();
    let registry = "s3://one/";
    const asked: unknown[] = [];
    server.client.onRequest("workspace/configuration", (params) => {
      asked.push(params);
      return [{ registry }];
    });
    const registered = Promise.withResolvers<unknown>();
    server.client.onRequest("client/registerCapability", (params) => {
      registered.resolve(params);
      return null;
    });
    const workspace = { configuration: true, didChangeConfiguration: { dynamicRegistration: true } };
    await server.initialize({ capabilities: { workspace } });
    const method = "workspace/didChangeConfiguration";
    expect(await registered.promise).toMatchObject({ registrations: [{ method }] });
    await expect.poll(() => server.context.settings.registry).toBe("s3://one/");
    registry = "s3://two/";
    await server.client.sendNotification(method, { settings: null });
    await expect.poll(() => server.context.settings.registry).toBe("s3://two/");
    expect(asked[0]).toEqual({ items: [{ section: "pipekit" }] });
  });
});

describe("what is told", () => {
  const diagnostic = { range: { start: place.position, end: place.position }, message: "m" };

  test("diagnostics are pushed with their version, once for many changes, and taken back at the close", async () => {
    let runs = 0;
    using server = startFakeServer({
      diagnostics: async () => {
        runs += 1;
        return [diagnostic];
      },
    });
    await server.initialize();
    await server.client.sendNotification("textDocument/didOpen", opened("x"));
    for (let version = 2; version < 50; version += 1) {
      await server.client.sendNotification("textDocument/didChange", {
        textDocument: { uri: URI, version },
        contentChanges: [{ text: `${version}` }],
      });
    }
    const pushed = () => server.told.filter((it) => it.method === "textDocument/publishDiagnostics");
    await expect
      .poll(pushed)
      .toEqual([expect.objectContaining({ params: { uri: URI, version: 49, diagnostics: [diagnostic] } })]);
    expect(runs).toBe(1);
    server.context.changed();
    await expect.poll(() => runs).toBe(2);
    await server.client.sendNotification("textDocument/didClose", { textDocument: { uri: URI } });
    await expect.poll(() => pushed().at(-1)?.params).toEqual({ uri: URI, diagnostics: [] });
  });

  test("a client that pulls is asked to, once for many changes", async () => {
    using server = startFakeServer({ diagnostics: async () => [diagnostic] });
    const asked: string[] = [];
    server.client.onRequest((method, params) => {
      asked.push(params === undefined ? method : `${method} with params`);
      return null;
    });
    const workspace = {
      diagnostics: { refreshSupport: true },
      inlayHint: { refreshSupport: true },
      codeLens: { refreshSupport: true },
    };
    await server.initialize({ capabilities: { workspace, textDocument: { diagnostic: {} } } });
    await server.client.sendNotification("textDocument/didOpen", opened("x"));
    for (let i = 0; i < 100; i += 1) server.context.changed();
    const kinds = ["diagnostic", "inlayHint", "codeLens"];
    await expect.poll(() => asked).toEqual(kinds.map((kind) => `workspace/${kind}/refresh`));
    const pulled = await server.client.sendRequest("textDocument/diagnostic", { textDocument: { uri: URI } });
    expect(pulled).toEqual({ kind: "full", items: [diagnostic] });
    expect(server.told.map(({ method }) => method)).not.toContain("textDocument/publishDiagnostics");
  });

  test("notifications of runs only to a client that asked for them; points of what it follows to any", async () => {
    using shy = startFakeServer();
    await shy.initialize();
    using eager = startFakeServer();
    await eager.initialize({ initializationOptions: { pipekit: { notifications: true } } });
    for (const server of [shy, eager]) {
      await server.client.sendRequest("workspace/symbol", { query: "" });
      server.view.notify("pipekit/points", { follow: "f", runId: "r", series: [], restart: false });
      await expect.poll(() => server.told.map(({ method }) => method)).toContain("pipekit/points");
    }
    expect([shy.view.watched, eager.view.watched]).toEqual([0, 1]);
  });

  test("a daemon that is away is told to the person once", async () => {
    using server = startFakeServer();
    await server.initialize();
    for (let i = 0; i < 20; i += 1) {
      server.view.tellStatus({
        ...CONNECTED,
        state: "unavailable",
        message: `No daemon ${i}.`,
        mend: "Start it.",
      });
      server.view.tellStatus(CONNECTED);
    }
    await server.client.sendRequest("workspace/symbol", { query: "" });
    const messages = server.told.filter(({ method }) => method === "window/showMessage");
    expect(messages.map(({ params }) => params)).toEqual([
      { type: 2, message: "pipekit: No daemon 0. Start it." },
    ]);
  });

  test("a question gets the title chosen; a client that cannot ask, or answers nonsense, gives none", async () => {
    using server = startFakeServer();
    await server.initialize({ initializationOptions: { pipekit: { askText: true } } });
    expect(await server.context.ask("Move it?", ["Move"])).toBeUndefined();
    let answer: unknown = { title: "Move" };
    server.client.onRequest("window/showMessageRequest", () => answer);
    expect(await server.context.ask("Move it?", ["Move"])).toBe("Move");
    for (answer of [null, { title: "Other" }, 7])
      expect(await server.context.ask("Move it?", ["Move"])).toBeUndefined();
    server.client.onRequest("pipekit/askText", ({ prompt }: { prompt: string }) => ({ text: `${prompt}!` }));
    expect(await server.context.askText?.("Why?")).toBe("Why?!");
  });
});

describe("texts", () => {
  test.each([
    ["lone surrogates, NUL and replacement characters", "a\ud800b\u0000\ufffd\r\nc"],
    ["nothing", ""],
  ])("%s", async (_name, text) => {
    using server = startFakeServer();
    await server.initialize();
    await server.client.sendNotification("textDocument/didOpen", opened(text));
    const [document, source] = await textOf(server);
    expect(document).toBe(text);
    expect(source).toBe(text);
  });

  test.each([
    "untitled:Untitled-1",
    "vscode-notebook-cell:/w/a.ipynb#W0sZmlsZQ==",
    "git:/w/train.py?%7B%22ref%22%3A%22~%22%7D",
    "file:///c%3A/w/tr%20ain.py",
    "file://server/share/x.py",
    "no uri at all",
    "",
  ])("of the URI %j", async (uri) => {
    using server = startFakeServer();
    await server.initialize();
    await server.client.sendNotification("textDocument/didOpen", opened("text", uri));
    expect(await textOf(server, uri)).toEqual(["text", "text"]);
  });

  test("too long to be analysed: told once, kept in step all the same, analysed again when it is short", async () => {
    using server = startFakeServer();
    await server.initialize();
    const long = "x".repeat(5 << 20);
    await server.client.sendNotification("textDocument/didOpen", opened(long));
    const change = async (version: number, changes: object[]) =>
      server.client.sendNotification("textDocument/didChange", {
        textDocument: { uri: URI, version },
        contentChanges: changes,
      });
    const at = (line: number, character: number) => ({ line, character });
    await change(2, [{ range: { start: at(0, 0), end: at(0, 1) }, text: "y" }]);
    const [document, source] = await textOf(server);
    expect(document === `y${long.slice(1)}`).toBe(true);
    expect(source).toBeNull();
    await change(3, [{ text: "short" }]);
    expect(await textOf(server)).toEqual(["short", "short"]);
    expect(server.log.filter((line) => line.includes("longer than"))).toHaveLength(1);
  });

  const position = fc.record({ line: fc.nat(6), character: fc.nat(12) });
  const edit = fc.record({
    range: fc.option(fc.record({ start: position, end: position }), { nil: undefined }),
    text: fc.string({
      unit: fc.constantFrom("a", "\n", "\r\n", "\r", "é", "𝛑", "\ud800", "'"),
      maxLength: 6,
    }),
  });
  const uri = fc.constantFrom("file:///a.py", "untitled:b", "file:///c%20d.py");
  const step = fc.oneof(
    fc.record({ kind: fc.constant("open" as const), uri, text: edit.map(({ text }) => text) }),
    fc.record({
      kind: fc.constant("change" as const),
      uri,
      edits: fc.array(edit, { maxLength: 3 }),
      version: fc.nat(9),
    }),
    fc.record({ kind: fc.constant("close" as const), uri }),
    fc.record({ kind: fc.constant("hover" as const), uri, cancelled: fc.boolean() }),
    fc.record({ kind: fc.constant("garbage" as const), uri, text: fc.string() }),
  );

  /** The text after an edit, by lines that are counted anew. */
  function edited(
    text: string,
    { range, text: insert }: { range?: Range | undefined; text: string },
  ): string {
    if (range === undefined) return insert;
    const document = TextDocument.create("", "", 0, text);
    const [from = 0, to = 0] = [document.offsetAt(range.start), document.offsetAt(range.end)].sort(
      (a, b) => a - b,
    );
    return text.slice(0, from) + insert + text.slice(to);
  }

  test("stay as the client has them, whatever comes in between", async () => {
    using server = startFakeServer();
    await server.initialize();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const model = new Map<string, string>();
        const asked: Promise<unknown>[] = [];
        for (const it of steps) {
          const text = model.get(it.uri);
          if (it.kind === "open") {
            model.set(it.uri, it.text);
            await server.client.sendNotification("textDocument/didOpen", opened(it.text, it.uri));
          } else if (it.kind === "change") {
            const contentChanges = JSON.parse(JSON.stringify(it.edits)) as typeof it.edits;
            if (text !== undefined) model.set(it.uri, it.edits.reduce(edited, text));
            const textDocument = { uri: it.uri, version: it.version };
            await server.client.sendNotification("textDocument/didChange", { textDocument, contentChanges });
          } else if (it.kind === "close") {
            model.delete(it.uri);
            await server.client.sendNotification("textDocument/didClose", { textDocument: { uri: it.uri } });
          } else if (it.kind === "hover") {
            const source = new CancellationTokenSource();
            const params = { textDocument: { uri: it.uri }, position: { line: 0, character: 0 } };
            const hover = server.client.sendRequest("textDocument/hover", params, source.token);
            asked.push(
              hover.catch((error: { code: number }) => expect([-32800, -32801]).toContain(error.code)),
            );
            if (it.cancelled) source.cancel();
          } else server.input.write(framed(`{${it.text}`));
        }
        await Promise.all(asked);
        for (const [at, text] of model) {
          expect(await textOf(server, at)).toEqual([text, text]);
          await server.client.sendNotification("textDocument/didClose", { textDocument: { uri: at } });
        }
      }),
      { numRuns: 300 },
    );
  });
});
