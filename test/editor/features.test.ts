/** The features as an editor has them: the real server, daemon and registry, and real files. */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Client, connect } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import type {
  CodeAction,
  CodeLens,
  Hover,
  InlayHint,
  PublishDiagnosticsParams,
  WorkspaceSymbol,
} from "vscode-languageserver/node";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { TestEditor } from "../support/editor-client.ts";

const FILES = {
  python: [
    "train.py",
    'import pipekit_experiment as pe\nregistry = pe.ModelRegistry()\nregistry.load("production")\npe.start_run("digits")\n',
  ],
  typescript: [
    "serve.ts",
    'import { connect } from "@pipekit/experiment";\nconst client = await connect();\nawait client.registry().load("production");\n',
  ],
  yaml: ["pipeline.yaml", "stage:\n  model_ref: production\n"],
} as const;
type Language = keyof typeof FILES;

const PATIENCE = { timeout: 20_000 };

let daemon: TestDaemon;
let client: Client;
let first: string;
let second: string;
let editor: TestEditor;
const uris = new Map<Language, string>();

const message = (params: { message: string }) => params.message;
const textDocument = (language: Language) => ({ uri: uris.get(language) ?? "" });
const onRef = (language: Language) => {
  const [, text] = FILES[language];
  const before = text.slice(0, text.indexOf("production")).split("\n");
  return { line: before.length - 1, character: (before.at(-1)?.length ?? 0) + 3 };
};

beforeAll(async () => {
  daemon = await startDaemon();
  client = await connect({ endpoint: daemon.endpoint });
  const store = async (name: string, tag?: string) => {
    const operator = { module: "nets", class: name, config: {} };
    const stored = await client
      .registry()
      .store({ operator, weights: randomBytes(1000), name: tag, actor: "ada" });
    return stored.model.hash;
  };
  first = await store("First", "production");
  second = await store("Second", "candidate");
  const run = await client.startRun({ name: "digits" });
  run.log({ loss: 0.5 }, 1);
  await run.end();
  const folder = join(daemon.home, "work");
  mkdirSync(folder);
  editor = new TestEditor({ env: daemon.clientEnv, args: ["--no-start"] });
  await editor.initialize();
  for (const [language, [name, text]] of Object.entries(FILES)) {
    const path = join(folder, name);
    writeFileSync(path, text);
    uris.set(language as Language, pathToFileURL(path).href);
    await editor.open(pathToFileURL(path).href, language, text);
  }
});

afterAll(async () => {
  await editor[Symbol.asyncDispose]();
  client.close();
  await daemon.stop();
});

test.each(["python", "typescript", "yaml"] as const)("hover in %s", async (language) => {
  const params = { textDocument: textDocument(language), position: onRef(language) };
  const shown = async () => {
    const { contents } = await editor.request<Hover>("textDocument/hover", params);
    return (contents as { value: string }).value;
  };
  // The first one may come before the registry has been read.
  await expect.poll(shown, PATIENCE).toContain(`\`production\` is \`${first.slice(0, 8)} nets.First\``);
  expect(await shown()).toMatch(/Promoted: by ada at \d{4}-\d\d-\d\d .* ago\), move `production@1`/);
});

test("hints, lenses and symbols", async () => {
  const params = { textDocument: textDocument("python") };
  const range = { start: { line: 0, character: 0 }, end: { line: 4, character: 0 } };
  const hints = async () =>
    (await editor.request<InlayHint[]>("textDocument/inlayHint", { ...params, range })).map(
      ({ label }) => label,
    );
  await expect
    .poll(hints)
    .toEqual([expect.stringMatching(new RegExp(`^${first.slice(0, 8)} · \\d+ (s|min)$`))]);
  const lenses = async () =>
    (await editor.request<CodeLens[]>("textDocument/codeLens", params)).map(({ command }) => command?.title);
  await expect
    .poll(lenses)
    .toEqual([
      expect.stringMatching(new RegExp(`^${first.slice(0, 8)} nets.First · `)),
      "Promote…",
      expect.stringMatching(/^completed .*ago$/),
    ]);
  const symbols = async () =>
    (await editor.request<WorkspaceSymbol[]>("workspace/symbol", { query: "digits" })).map(
      ({ name }) => name,
    );
  await expect.poll(symbols, PATIENCE).toEqual(["digits"]);
});

test("a hash that no model has, and an unknown name, are warned of; nothing of a model stored just now", async () => {
  // The registry has been read before: of the new model the index knows nothing for some seconds.
  const hover = () =>
    editor.request<Hover | null>("textDocument/hover", {
      textDocument: textDocument("python"),
      position: onRef("python"),
    });
  await expect.poll(async () => JSON.stringify(await hover()), PATIENCE).toContain(first);
  const fresh = await client.registry().store({ operator: { module: "nets", class: "Fresh", config: {} } });
  const refs = ["f".repeat(64), "f".repeat(8), "prodution", fresh.model.hash, "production@9", "production~1"];
  const text = `import pipekit_experiment as pe\nregistry = pe.ModelRegistry()\n${refs.map((ref) => `registry.load("${ref}")\n`).join("")}`;
  await editor.open("file:///w/refs.py", "python", text);
  const { diagnostics } = await editor.told<PublishDiagnosticsParams>(
    "textDocument/publishDiagnostics",
    (it) => it.uri === "file:///w/refs.py" && it.diagnostics.length > 0,
  );
  expect(diagnostics.map(({ code, range }) => [code, range.start.line - 2])).toEqual([
    ["unknown-model", 0],
    ["unknown-model", 1],
    ["unknown-tag", 2],
    ["unknown-model", 4],
    ["unknown-model", 5],
  ]);
});

test("promoted from a code action after a confirmation; the file is told that its tag moved", async () => {
  const candidate = 'import pipekit_experiment as pe\npe.ModelRegistry().load("candidate")\n';
  await editor.open("file:///w/candidate.py", "python", candidate);
  const range = { start: { line: 1, character: 30 }, end: { line: 1, character: 30 } };
  const params = { textDocument: { uri: "file:///w/candidate.py" }, range, context: { diagnostics: [] } };
  const actions = await editor.request<CodeAction[]>("textDocument/codeAction", params);
  const action = actions.find(({ title }) => title === "Promote candidate to production…");

  editor.answer("window/showMessageRequest", () => ({ title: "Cancel" }));
  await editor.request("workspace/executeCommand", action?.command);
  expect(await client.registry().resolve("production")).toBe(first);

  editor.forget();
  editor.answer("window/showMessageRequest", ({ actions }: { actions: { title: string }[] }) => actions[0]);
  await editor.request("workspace/executeCommand", action?.command);
  expect(await client.registry().resolve("production")).toBe(second);
  const [question] = editor.received<{ message: string }>("window/showMessageRequest").map(message);
  expect(question).toContain(`from ${first.slice(0, 8)} nets.First (production@1 by ada`);
  expect(question).toContain(`to ${second.slice(0, 8)} nets.Second?`);
  const isMoved = ({ code }: { code?: unknown }) => code === "tag-moved";
  const { diagnostics } = await editor.told<PublishDiagnosticsParams>(
    "textDocument/publishDiagnostics",
    (it) => it.uri === textDocument("python").uri && it.diagnostics.some(isMoved),
  );
  expect(diagnostics.find(isMoved)?.message).toContain(
    `production has moved to ${second.slice(0, 8)} nets.Second`,
  );
});

test("a tag that another moves during the question is left alone", async () => {
  const bob = client.registry();
  editor.forget();
  const promotion = { registry: "", ref: "production", tag: "candidate" };
  await bob.tag(first, "production", { force: true });
  await bob.tag(second, "candidate", { force: true });
  editor.answer("window/showMessageRequest", async ({ actions }: { actions: { title: string }[] }) => {
    await bob.deleteTag("candidate", { actor: "bob" });
    return actions[0];
  });
  const command = { command: "pipekit.promote", arguments: [promotion] };
  expect(await editor.request("workspace/executeCommand", command)).toBeNull();
  const told = editor.received<{ message: string }>("window/showMessage").map(message);
  expect(told).toEqual(["candidate was moved meanwhile, so nothing was changed. It leads nowhere now."]);
  await expect(bob.resolve("candidate")).rejects.toThrow();
});

test("rolled back after a confirmation", async () => {
  editor.answer("window/showMessageRequest", ({ actions }: { actions: { title: string }[] }) => actions[0]);
  const command = { command: "pipekit.rollback", arguments: [{ tag: "production" }] };
  await editor.request("workspace/executeCommand", command);
  expect(await client.registry().resolve("production")).toBe(second);
});
