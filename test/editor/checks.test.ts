import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Client, connect, PipekitError } from "@pipekit/experiment";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { DiagnosticSeverity } from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import { configChecks } from "../../daemon/editor/checks/index.ts";
import { definitions } from "../../daemon/editor/checks/python/definitions.ts";
import { replacements } from "../../daemon/editor/features/replacing.ts";
import type { View } from "../../daemon/view/index.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;
let client: Client;
let folder: string;

/** A workspace: a package, a namespace folder, an environment with packages, one of them editable. */
const WORKSPACE = {
  "my_models/__init__.py": "from .nets import ResNet as Net\nVERSION = '1'\n",
  "my_models/nets.py":
    "import torch as t\nclass ResNet:\n  class Inner: pass\n  def make(self): ...\n" +
    "async def build(): ...\nA, B = 1, 2\nC: int = 3\nif t:\n    D = 1\n" +
    "try:\n    import fast as E\nexcept ImportError:\n    E = None\nwith open('x') as F: pass\nfor G in []: pass\n@decorated\ndef H(): pass\n",
  "my_models/lazy.py": "def __getattr__(name): ...\n",
  "my_models/star.py": "from os.path import *\n",
  "my_models/stars.py": "from .nets import *\nfrom my_models.more.deep import *\n",
  "my_models/more/__init__.py": "",
  "my_models/more/deep.py": "from ..more import *\nclass Deep: ...\n",
  "my_models/broken.py": "class Half(\n  def\n",
  "my_models/fast.cpython-311-x86_64-linux-gnu.so": "",
  "space/tool.py": "def run(): ...\n",
  "src/laid_out.py": "class Here: ...\n",
  ".venv/lib/python3.11/site-packages/torchlike/__init__.py": "class Adam: ...\nclass AdamW: ...\n",
  ".venv/lib/python3.11/site-packages/extra.pth": "# a comment\nimport os; os.abort()\n../../../elsewhere\n",
  ".venv/elsewhere/by_path.py": "class Found: ...\n",
} as const;

function place(files: Readonly<{ [path: string]: string }>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

beforeAll(async () => {
  daemon = await startDaemon();
  client = await connect({ env: daemon.clientEnv });
  folder = mkdtempSync(join(tmpdir(), "pkx-"));
  place(WORKSPACE);
  const finder = `MAPPING: dict[str, str] = {'edited': '${join(folder, "other/edited")}'}\n`;
  place({
    ".venv/lib/python3.11/site-packages/__editable___edited_1_finder.py": finder,
    "other/edited/__init__.py": "class Mine: ...\n",
  });
});

afterAll(async () => {
  client.close();
  await daemon.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** What is told of a text, as `line:from-to severity code message`. */
async function check(
  text: string,
  { path = "config.yaml", workspace = [folder], view = viewOf(async () => client) } = {},
) {
  const settings = { registry: "", inlayHints: true, codeLens: true, diagnostics: true, pythonPath: [] };
  const checks = configChecks({ view, settings, workspaceFolders: workspace, env: {} });
  const uri = pathToFileURL(join(folder, path)).href;
  const document = TextDocument.create(uri, "yaml", 1, text);
  const file = {
    uri,
    languageId: "yaml",
    version: 1,
    document,
    source: undefined,
    writtenAtUs: async () => 0,
  };
  return checks.check(file, new AbortController().signal);
}

/** The one part of a view that the checks use. */
function viewOf(opened: () => Promise<Client>): View {
  return { link: { client: opened } } as unknown as View;
}

async function messages(text: string, options?: Parameters<typeof check>[1]): Promise<unknown[]> {
  return (await check(text, options)).map(({ message }) => message);
}

describe("targets", () => {
  test.each([
    "my_models.nets.ResNet",
    "my_models.Net",
    "my_models.VERSION",
    "my_models.nets.ResNet.make",
    ...["build", "A", "B", "C", "D", "E", "F", "G", "H", "t"].map((name) => `my_models.nets.${name}`),
    "my_models.lazy.Anything",
    "my_models.star.join",
    "my_models.stars.ResNet",
    "my_models.stars.Deep",
    "my_models.broken.Other",
    "my_models.fast.Compiled",
    "space.tool.run",
    "laid_out.Here",
    "torchlike.Adam",
    "by_path.Found",
    "edited.Mine",
    "collections.OrderedDict",
    "builtins.dict",
  ])("%s is there, or may be", async (target) => {
    expect(await messages(`model:\n  _target_: ${target}\n`)).toEqual([]);
  });

  test.each([
    [
      "my_models.nets.ResNett",
      /`my_models\.nets` defines no `ResNett` .*Did you mean `ResNet`/,
      "my_models.nets.ResNet",
    ],
    ["my_models.netz.ResNet", /`my_models` defines no `netz` .*Did you mean `nets`/, "my_models.nets.ResNet"],
    [
      "my_model.nets.ResNet",
      /no Python module `my_model` .*Did you mean `my_models`/,
      "my_models.nets.ResNet",
    ],
    [
      "my_models.stars.Deap",
      /`my_models.stars` defines no `Deap` .*Did you mean `Deep`/,
      "my_models.stars.Deep",
    ],
    ["space.tol.run", /no Python module `space\.tol` .*Did you mean `tool`/, "space.tool.run"],
    ["torchlike.AdamX", /`torchlike` defines no `AdamX`/, "torchlike.AdamW"],
    ["wholly_unknown.Thing", /no Python module `wholly_unknown`/, undefined],
  ])("%s is told, where it stands, with what was meant", async (target, message, replaceBy) => {
    const text = `lr: 1\nmodel: {_target_: "${target}"}\n`;
    const [found, ...more] = await check(text);
    expect(more).toEqual([]);
    expect(found?.message).toMatch(message);
    expect(found).toMatchObject({
      code: "unknown_target",
      severity: DiagnosticSeverity.Warning,
      source: "pipekit",
    });
    const document = TextDocument.create("file:///x", "yaml", 1, text);
    expect(found && document.getText(found.range)).toContain(target);
    if (replaceBy !== undefined && target !== "torchlike.AdamX") expect(found?.data).toEqual({ replaceBy });
  });

  test("a target that is an interpolation is looked for as what it stands for", async () => {
    const text = "net: ResNett\nmodel:\n  _target_: my_models.nets.${net}\n";
    expect(await messages(text)).toEqual([expect.stringMatching(/defines no `ResNett`/)]);
  });

  test("without an environment, a package that is not in the workspace may be installed", async () => {
    const empty = mkdtempSync(join(tmpdir(), "pkx-"));
    const options = { workspace: [empty] };
    expect(await messages("a:\n  _target_: wholly_unknown.Thing\n", options)).toEqual([]);
    rmSync(empty, { recursive: true });
  });
});

test("a text that is checked again is not parsed again, until it is another one", async () => {
  let asked = 0;
  const counting = async () => {
    asked++;
    return client;
  };
  const parse = vi.spyOn(client.configs.constructor.prototype, "parse");
  const settings = {
    registry: "",
    registries: [],
    inlayHints: true,
    codeLens: true,
    diagnostics: true,
    pythonPath: [],
  };
  const checks = configChecks({ view: viewOf(counting), settings, workspaceFolders: [folder], env: {} });
  const { signal } = new AbortController();
  const uri = pathToFileURL(join(folder, "again.yaml")).href;
  const file = (text: string) => ({
    uri,
    languageId: "yaml",
    version: 1,
    document: TextDocument.create(uri, "yaml", 1, text),
    source: undefined,
    writtenAtUs: async () => 0,
  });
  const open = file("_target_: torchlike.AdamX\n");
  const first = await checks.check(open, signal);
  expect(await checks.check(open, signal)).toEqual(first);
  expect([asked, parse.mock.calls.length]).toEqual([2, 1]);
  open.document = TextDocument.create(uri, "yaml", 2, "_target_: torchlike.Adam\n");
  expect(await checks.check(open, signal)).toEqual([]);
  expect(parse.mock.calls.length).toBe(2);
  parse.mockRestore();
});

test.each([
  ["_target_: my_models.nets.ResNett\n", "_target_: my_models.nets.ResNet\n"],
  ['a: {_target_: "my_models.netz.ResNet", b: 1}\n', 'a: {_target_: "my_models.nets.ResNet", b: 1}\n'],
  [
    "a:\n  module: my_modelz.nets\n  class: ResNet\n  config: {}\n",
    "a:\n  module: my_models.nets\n  class: ResNet\n  config: {}\n",
  ],
])("the quick fix of %j writes what was meant", async (text, mended) => {
  const found = await check(text);
  const uri = "file:///w/config.yaml";
  const document = TextDocument.create(uri, "yaml", 1, text);
  const file = {
    uri,
    languageId: "yaml",
    version: 1,
    document,
    source: undefined,
    writtenAtUs: async () => 0,
  };
  const [action, ...more] = replacements(file, found);
  expect(more).toEqual([]);
  expect(action?.diagnostics).toEqual(found);
  expect(TextDocument.applyEdits(document, action?.edit?.changes?.[uri] ?? [])).toBe(mended);
  const others = found.flatMap((one) => [
    { ...one, source: "another" },
    { ...one, data: undefined },
  ]);
  expect(replacements(file, others)).toEqual([]);
});

test("the module and the class of a pipeline's states are looked for, each where it stands", async () => {
  const text = [
    "module: my_models.nets",
    "class: ResNet",
    "config:",
    "  inner: {module: my_models.nets, class: ResNot, config: {}}",
    "  other: {module: my_modelz, class: ResNet, config: {}}",
    "  free: {module: nothing_here, class: X}",
  ].join("\n");
  const found = await check(text);
  expect(found.map(({ range, data }) => [range.start.line, range.start.character, data])).toEqual([
    [3, 41, { replaceBy: "ResNet" }],
    [4, 18, { replaceBy: "my_models" }],
  ]);
});

describe("values", () => {
  test("a missing value of a composed config is a warning, at its place", async () => {
    const found = await check("model:\n  _target_: torchlike.Adam\n  lr: ???\n");
    expect(found).toMatchObject([
      { code: "missing", severity: DiagnosticSeverity.Warning, range: { start: { line: 2, character: 6 } } },
    ]);
  });

  test("in a config that is composed with others it is a hint, and what it refers to may stand elsewhere", async () => {
    place({ "conf/config.yaml": "defaults:\n  - model: resnet\n", "conf/model/resnet.yaml": "" });
    const text = "_target_: torchlike.Adam\nlr: ???\nsize: ${data.size}\n";
    const found = await check(text, { path: "conf/model/resnet.yaml" });
    expect(found).toMatchObject([{ code: "missing", severity: DiagnosticSeverity.Hint }]);
    expect((await check(text, { path: "alone/resnet.yaml" })).map(({ code }) => code)).toEqual([
      "missing",
      "interpolation",
    ]);
  });

  test("the environment of the editor is not the run's: what reads it is not told, and none of it is sent", async () => {
    const text = "a:\n  _target_: torchlike.Adam\n  key: ${oc.env:SURELY_NOT_SET}\n";
    expect(await messages(text)).toEqual([]);
  });

  test("broken YAML and doubled keys are errors", async () => {
    const codes = async (text: string) => (await check(text)).map(({ code, severity }) => [code, severity]);
    expect(await codes("_target_: torchlike.Adam\na: 1\na: 2\n")).toEqual([
      ["duplicate_key", DiagnosticSeverity.Error],
    ]);
    expect((await codes("_target_: torchlike.Adam\na: [1\n"))[0]?.[1]).toBe(DiagnosticSeverity.Error);
  });
});

test("configs that a defaults list names and that are not there", async () => {
  place({ "hydra/model/resnet.yaml": "", "hydra/base.yaml": "" });
  const text = [
    "defaults:",
    "  - _self_",
    "  - base",
    "  - bose",
    "  - model: resnet",
    "  - model: resnett",
    "  - override hydra/launcher: joblib",
    "  - optional model: nothing",
    "  - plugin_group: thing",
    "  - model: ${choice}",
    "choice: resnet",
  ].join("\n");
  const found = await check(text, { path: "hydra/config.yaml" });
  expect(found.map(({ range, data, code }) => [range.start.line, code, data])).toEqual([
    [3, "unknown_default", { replaceBy: "base" }],
    [5, "unknown_default", { replaceBy: "resnet" }],
  ]);
  const elsewhere = `${text}\nhydra:\n  searchpath: [pkg://more]\n`;
  expect(await messages(elsewhere, { path: "hydra/config.yaml" })).toEqual([]);
});

test.each([
  ["a workflow of another tool", "on: push\njobs:\n  x:\n    if: ${{ github.ref }}\n"],
  ["a mapping that happens to have a module", "module: nothing_here\nname: x\n"],
  ["an empty file", ""],
])("%s is none of its business", async (_, text) => {
  expect(await messages(text, { path: "alone/other.yml" })).toEqual([]);
});

test("while the daemon is away there is nothing to tell", async () => {
  const away = viewOf(() => Promise.reject(new PipekitError("DAEMON_UNAVAILABLE", "Away.")));
  expect(await messages("_target_: wholly_unknown.Thing\n", { view: away })).toEqual([]);
});

test("any text of a module gives names, and never throws", () => {
  const line = fc.constantFrom(
    "def f():",
    "  x = 1",
    "class C(",
    "from a import b as c,",
    "(((",
    "async",
    "\u0000",
    "import a.b",
    '"""',
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
      expect(definitions(lines.join("\n")).names).toBeInstanceOf(Set);
    }),
  );
});

test("pipes, and links to devices without an end, are no files, be they configs, modules or of installers", async () => {
  const evil = mkdtempSync(join(tmpdir(), "pkx-"));
  const packages = join(evil, ".venv/lib/python3.11/site-packages");
  mkdirSync(join(evil, "conf/sub"), { recursive: true });
  mkdirSync(packages, { recursive: true });
  try {
    for (const name of [
      "conf/pipe.yaml",
      "pipe.py",
      ".venv/lib/python3.11/site-packages/pipe.pth",
      ".venv/lib/python3.11/site-packages/__editable___pipe_finder.py",
    ]) {
      execFileSync("mkfifo", [join(evil, name)]);
    }
    for (const path of [join(evil, "conf/zero.yaml"), join(packages, "zero.pth"), join(evil, "zero.py")]) {
      symlinkSync("/dev/zero", path);
    }
    const finder = `MAPPING = {'mapped': '${join(evil, "zero.py")}', 'piped': '${join(evil, "pipe.py")}'}\n`;
    writeFileSync(join(packages, "__editable___evil_finder.py"), finder);
    const text = ["mapped.X", "piped.X", "zero.X", "pipe.X"].map((it) => `${it[0]}: {_target_: ${it}}`);
    const path = join("..", basename(evil), "conf/sub/c.yaml");
    await check(text.join("\n"), { path, workspace: [evil] });
  } finally {
    rmSync(evil, { recursive: true, force: true });
  }
});

test("texts that make patterns slow do not stall", () => {
  const blanks = " ".repeat(1 << 20);
  definitions(`import a${blanks}b`);
  definitions(`from x import (a${blanks.replaceAll(" ", "\n")}b)`);
});
