import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildExtension } from "../../clients/vscode/build.ts";

let folder: string;
let vsix: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pkx-vsix-"));
  vsix = await buildExtension(folder);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const files = () =>
  readdirSync(join(folder, "extension"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, "extension").length + 1));

test("the package holds what it needs, no sources, and is small", () => {
  expect(files()).toEqual(
    expect.arrayContaining([
      "LICENSE",
      "README.md",
      "dist/extension.cjs",
      "dist/daemon/pkx.mjs",
      "dist/daemon/page/page.js",
      "dist/daemon/page/page.css",
      "dist/daemon/LICENSES.txt",
      "media/pipekit.svg",
    ]),
  );
  expect(files().filter((path) => /\.ts$|\.map$|node_modules|test|\.env/.test(path))).toEqual([]);
  expect(statSync(vsix).size).toBeLessThan(3_000_000);
});

test("nothing in it tells of the machine that built it", () => {
  for (const path of files()) {
    const text = readFileSync(join(folder, "extension", path), "latin1");
    expect(text.includes(process.cwd()), path).toBe(false);
  }
});

test("every picture and file that the manifest names is there", () => {
  const text = readFileSync(join(folder, "extension/package.json"), "utf8");
  const named = [...text.matchAll(/"((?:\.\/)?(?:media|dist)\/[^"]+)"/g)].map((match) => match[1] ?? "");
  expect(named.length).toBeGreaterThan(5);
  for (const path of named) expect(statSync(join(folder, "extension", path)).isFile(), path).toBe(true);
});

test("every command of a menu, a welcome view or a step is contributed", () => {
  const text = readFileSync(join(folder, "extension/package.json"), "utf8");
  const { contributes } = JSON.parse(text) as { contributes: { commands: { command: string }[] } };
  const known = new Set(contributes.commands.map(({ command }) => command));
  const used = [...text.matchAll(/pipekit\.ui\.\w+/g)].map(([name]) => name);
  expect(used.filter((name) => !known.has(name))).toEqual([]);
});

test("a folder chooses neither programs nor daemons", () => {
  const { contributes } = JSON.parse(readFileSync(join(folder, "extension/package.json"), "utf8")) as {
    contributes: { configuration: { properties: Record<string, { scope: string }> }[] };
  };
  const scopes = contributes.configuration.flatMap(({ properties }) =>
    Object.entries(properties).map(([name, { scope }]) => [name.replace("pipekit.", ""), scope]),
  );
  const own = scopes.filter(([, scope]) => scope === "machine").map(([name]) => name);
  const names = ["command", "node", "endpoint", "tokenFile", "caFile", "certFile", "keyFile"];
  for (const name of [...names, "stateDir", "startDaemon"]) expect(own).toContain(name);
});

test("the daemon that it brings along runs from where it is installed", () => {
  const pkx = join(folder, "extension/dist/daemon/pkx.mjs");
  expect(execFileSync(process.execPath, [pkx, "lsp", "--help"], { encoding: "utf8" })).toContain("--stdio");
});
