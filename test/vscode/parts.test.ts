import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EditorMethod, RunBrief } from "@pipekit/proto/editor";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Ask } from "../../clients/vscode/src/ask.ts";
import { hashIn, runIdIn, runIdsIn, urlIn } from "../../clients/vscode/src/commands/arguments.ts";
import { failureOf, sentences } from "../../clients/vscode/src/failure.ts";
import { ROUTES, readMessage, savedRoute } from "../../clients/vscode/src/panel/messages.ts";
import { restartDelay } from "../../clients/vscode/src/server/health.ts";
import { findProgram } from "../../clients/vscode/src/server/program.ts";
import { connectionEnvironment, readSettings, SettingFault } from "../../clients/vscode/src/settings.ts";
import { RunList } from "../../clients/vscode/src/trees/run-list.ts";
import { age, oneLine, shortNumber, size } from "../../clients/vscode/src/words.ts";

const settings = (given: Readonly<Record<string, unknown>> = {}) => readSettings((name) => given[name]);

describe("settings", () => {
  test("defaults, and the environment of those that are set", () => {
    expect(settings()).toMatchObject({ command: "", startDaemon: true });
    expect(connectionEnvironment(settings())).toEqual({});
    expect(connectionEnvironment(settings({ endpoint: " unix:/tmp/x.sock ", tokenFile: "/t" }))).toEqual({
      PKX_ENDPOINT: "unix:/tmp/x.sock",
      PKX_TOKEN_FILE: "/t",
    });
    expect(connectionEnvironment(settings({ certFile: "/c", keyFile: "/k" }))).toEqual({
      PKX_CLIENT_CERT_FILE: "/c",
      PKX_CLIENT_KEY_FILE: "/k",
    });
  });

  test.each([
    ["endpoint", "http://plain.example"],
    ["endpoint", "/tmp/x.sock"],
    ["startDaemon", "yes"],
    ["node", 24],
  ])("%s = %s is refused by its name", (name, value) => {
    expect(() => settings({ [name]: value })).toThrow(SettingFault);
    expect(() => settings({ [name]: value })).toThrow(`pipekit.${name}`);
  });
});

describe("the program", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "pkx-program-"));
    const script = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      chmodSync(join(folder, name), 0o755);
    };
    script("old-node", "#!/bin/sh\necho 20.19.0\n");
    script("new-node", "#!/bin/sh\necho 24.1.0\n");
    script("pkx", "#!/bin/sh\n");
    script("pkx.mjs", "");
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const found = (given: Readonly<Record<string, unknown>>, execPath = process.execPath) =>
    findProgram(settings(given), { bundled: join(folder, "pkx.mjs"), execPath });

  test("is the bundled one on the editor's own Node.js where that is new enough", async () => {
    expect(await found({})).toEqual({
      command: process.execPath,
      args: [join(folder, "pkx.mjs"), "lsp", "--stdio"],
      env: { ELECTRON_RUN_AS_NODE: "1" },
    });
  });

  test("is the user's, which is run as it is, or by the user's Node.js", async () => {
    expect(await found({ command: join(folder, "pkx"), startDaemon: false })).toEqual({
      command: join(folder, "pkx"),
      args: ["lsp", "--stdio", "--no-start"],
      env: {},
    });
    expect((await found({ node: join(folder, "new-node") })).command).toBe(join(folder, "new-node"));
  });

  test("falls back to node on PATH", async () => {
    expect((await found({}, join(folder, "old-node"))).command).toBe("node");
  });

  test.each([
    [{ node: "old-node" }, "pipekit.node", "is version 20.19.0"],
    [{ node: "none" }, "pipekit.node", "missing or too old"],
    [{ command: "none" }, "pipekit.command", "is not a program"],
  ])("%o is refused, with the setting to mend", async (given, setting, message) => {
    const paths = Object.fromEntries(Object.entries(given).map(([name, file]) => [name, join(folder, file)]));
    await expect(found(paths)).rejects.toMatchObject({ setting, message: expect.stringContaining(message) });
  });
});

describe("messages of the page", () => {
  test("a request is read with its defaults", () => {
    expect(readMessage({ id: 1, method: "pipekit/runs", params: { limit: 5 } })).toMatchObject({
      kind: "request",
      params: { limit: 5, nameContains: "" },
    });
    expect(readMessage({ cancel: 1 })).toEqual({ kind: "cancel", id: 1 });
  });

  test.each([
    [{ id: 2, method: "pipekit/erase" }, "method"],
    [{ id: 2, method: "pipekit/run", params: { runId: 5 } }, "runId"],
    [{ id: 2, method: "pipekit/runs", params: { limit: 0 } }, "limit"],
  ])("%o is refused and names the field", (message, field) => {
    expect(readMessage(message)).toMatchObject({ kind: "refused", id: 2, field });
  });

  test("whatever it is, reading it throws nothing", () => {
    fc.assert(
      fc.property(fc.anything(), (message) => {
        readMessage(message);
        savedRoute(message);
      }),
    );
  });

  test("only places of the page are saved routes", () => {
    for (const route of [
      ROUTES.run("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
      ROUTES.tag("a/b c", "s3://b/m?x=1"),
      "#/models",
    ])
      expect(savedRoute({ route })).toBe(route);
    for (const route of ["https://x", '#/run/"><script>', "#/else", ""])
      expect(savedRoute({ route })).toBe("#/runs");
  });
});

describe("arguments of commands", () => {
  test("ids, rows, and what is neither", () => {
    expect(runIdIn({ kind: "run", run: { runId: "R1" } })).toBe("R1");
    expect(runIdIn({ kind: "deadLetters", runId: "R2" })).toBe("R2");
    expect(runIdIn({ kind: "more" })).toBeUndefined();
    expect(runIdsIn("R1", [{ kind: "run", run: { runId: "R1" } }, "R1", "R2", 3])).toEqual(["R1", "R2"]);
    expect(hashIn({ kind: "tag", move: { name: "t", hash: "abc" } })).toBe("abc");
    expect(hashIn({ kind: "group" })).toBeUndefined();
  });

  test("only web addresses are opened", () => {
    const row = (remoteUrl: string) => ({ kind: "sink", sink: { remoteUrl } });
    expect(urlIn(row("https://wandb.ai/x"))).toBe("https://wandb.ai/x");
    expect(urlIn(row("file:///etc/passwd"))).toBeUndefined();
    expect(urlIn(row("command:workbench.action.quit"))).toBeUndefined();
  });
});

describe("the list of runs", () => {
  const run = (runId: string, state: RunBrief["state"], points = 0) =>
    ({ runId, state, points, name: `name-${runId}`, sinks: [], tags: {} }) as unknown as RunBrief;
  const listOver = (runs: readonly RunBrief[]) => {
    const ask = async (_: EditorMethod, params: { state?: string; pageToken?: string }) => {
      const fitting = runs.filter(({ state }) => params.state === undefined || state === params.state);
      const from = Number(params.pageToken ?? 0);
      const next = from + 100 < fitting.length ? String(from + 100) : "";
      return { runs: fitting.slice(from, from + 100), nextPageToken: next, total: fitting.length };
    };
    return new RunList(ask as unknown as Ask, () => undefined);
  };
  const numbered = (index: number) => run(String(1000 - index), "completed");

  test("those that run stand first, however old, and more come by pages", async () => {
    const old = run("0001", "running");
    const list = listOver([...Array.from({ length: 250 }, (_, index) => numbered(index)), old]);
    await list.refresh();
    expect(list.shown()).toHaveLength(101);
    expect(list.shown()[0]).toBe(old);
    expect(list.more).toBe(true);
    await list.loadMore();
    await list.loadMore();
    expect(list.shown()).toHaveLength(251);
    expect(list.more).toBe(false);
  });

  test("what is told is shown, and a run that ends moves down", async () => {
    const list = listOver([run("0003", "completed"), run("0002", "running")]);
    await list.refresh();
    list.take({ runs: [run("0002", "running", 7), run("0004", "running")], all: false });
    expect(list.shown().map(({ runId, points }) => [runId, points])).toEqual([
      ["0004", 0],
      ["0002", 7],
      ["0003", 0],
    ]);
    list.take({ runs: [run("0004", "failed")], all: false });
    expect(list.shown().map(({ runId }) => runId)).toEqual(["0002", "0004", "0003"]);
    list.filter = "NAME-0003";
    expect(list.shown().map(({ runId }) => runId)).toEqual(["0003"]);
  });
});

test("words", () => {
  expect([0.4, 59, 61, 7200, 90_000].map((seconds) => age(0, seconds * 1e6))).toEqual([
    "now",
    "59 s",
    "1 min",
    "2 h",
    "1 d",
  ]);
  expect([0, 1023, 1536, 2.5e6, 3e12].map(size)).toEqual(["0 B", "1023 B", "1.5 KiB", "2.4 MiB", "2.7 TiB"]);
  expect([0.123456, 12_345.678, "NaN"].map((value) => shortNumber(value as number))).toEqual([
    "0.1235",
    "12350",
    "NaN",
  ]);
  expect(oneLine(`a\n\tb ${"x".repeat(200)}`)).toMatch(/^a b x{115}…$/);
  expect([1, 2, 3, 20].map(restartDelay)).toEqual([500, 1000, 2000, 30_000]);
});

test("a failure is read from an error of the language server", () => {
  const data = { code: "TAG_CONFLICT", message: "It moved.", field: "tag", mend: "Look again." };
  expect(sentences(failureOf(Object.assign(new Error("x"), { data })))).toBe("It moved. Look again.");
  expect(failureOf("odd")).toMatchObject({ code: "INTERNAL", message: "odd" });
});
