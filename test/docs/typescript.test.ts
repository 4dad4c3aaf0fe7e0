/** Blocks of TypeScript in the documentation: each type-checks against the client, as strictly as the project itself. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { allBlocks, ROOT } from "./markdown.ts";

/** What stands around a block that is a part of a program: what it uses, and does not say. */
const AROUND: Readonly<Record<string, string>> = {
  client: 'declare const client: import("@pipekit/experiment").Client;',
  signal: "declare const signal: AbortSignal;",
  runId: "declare const runId: string;",
};

const folder = mkdtempSync(join(tmpdir(), "pkx-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What tsc says of programs, by file name. */
function check(programs: ReadonlyMap<string, string>): string {
  mkdirSync(join(folder, "node_modules/@pipekit"), { recursive: true });
  for (const [name, target] of [
    ["@pipekit/experiment", "clients/typescript"],
    ["@types", "node_modules/@types"],
  ] as const) {
    rmSync(join(folder, "node_modules", name), { force: true });
    symlinkSync(join(ROOT, target), join(folder, "node_modules", name));
  }
  for (const [name, text] of programs) writeFileSync(join(folder, name), text);
  const compilerOptions = {
    noUnusedLocals: false,
    noUnusedParameters: false,
    noPropertyAccessFromIndexSignature: false,
  };
  const config = { extends: join(ROOT, "tsconfig.json"), compilerOptions, include: [...programs.keys()] };
  writeFileSync(join(folder, "package.json"), '{"type": "module"}');
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const args = ["-p", folder, "--pretty", "false"];
  const { stdout } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), args, { cwd: folder, encoding: "utf8" });
  // Faults of the client itself are the business of the check of the project's own types.
  return stdout
    .split("\n")
    .filter((line) => [...programs.keys()].some((name) => line.startsWith(name)))
    .join("\n");
}

function programOf(code: string): string {
  const given = Object.entries(AROUND).filter(
    ([name]) =>
      new RegExp(`\\b${name}\\b`).test(code) &&
      !new RegExp(`(const|let|using) (\\w+, )*${name}\\b`).test(code),
  );
  return `${given.map(([, line]) => line).join(" ")} ${code}\nexport {};\n`;
}

test("every block type-checks", () => {
  const blocks = allBlocks().filter(
    ({ language, notRun }) => /^(ts|typescript)$/.test(language) && notRun === "",
  );
  expect(blocks.length).toBeGreaterThan(3);
  const name = (page: string, line: number) => `${page.replace(/[^\w]/g, "-")}-${line}.ts`;
  const programs = new Map(blocks.map(({ page, line, code }) => [name(page, line), programOf(code)]));
  expect(check(programs)).toBe("");
});

test("a call that is not there is found", () => {
  expect(check(new Map([["wrong.ts", programOf("await client.nonsense();")]]))).toMatch(/nonsense/);
});
