/** What other users of a machine see in its list of processes, and how programs are run. */
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { WANTED } from "../../daemon/config/config.ts";
import { allCommands, silentProgram } from "../../docs/site/reference/commands.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const SHIPPED = [
  "daemon/**/*.ts",
  "adapters/**/*.ts",
  "clients/typescript/src/**/*.ts",
  "clients/vscode/src/**/*.ts",
  "clients/python/src/**/*.py",
];
const SECRET = /token|secret|password|passwd|credential|api-?key|\bkey\b|headers/i;

test("no option takes a secret, and no setting but by reference", () => {
  const serve = readFileSync(join(ROOT, "daemon/serve.ts"), "utf8");
  const flags = [
    ...allCommands(silentProgram()).flatMap(({ command }) => command.options.map(({ long }) => long ?? "")),
    ...[...serve.matchAll(/^ {2}(--[a-z-]+) [A-Z]/gm)].map(([, flag]) => flag ?? ""),
  ];
  expect(flags.length).toBeGreaterThan(60);
  expect(flags).toContain("--token-file");
  expect(flags.filter((flag) => SECRET.test(flag) && !/-file$/.test(flag))).toEqual(["--tls-key"]);
  const secret = Object.entries(WANTED).filter(([name]) => SECRET.test(name.replaceAll("_", "-")));
  expect(secret.length).toBeGreaterThan(3);
  for (const [name, wanted] of secret) expect(wanted, name).toMatch(/^the absolute path|env:NAME or file:/);
});

test("no program is run by a shell", () => {
  const files = globSync(SHIPPED, {
    cwd: ROOT,
    exclude: ["**/node_modules/**", "**/dist/**", "**/_daemon/**"],
  });
  expect(files.length).toBeGreaterThan(400);
  const shell =
    /\bshell\s*[:=]\s*(?:true|True)|\bexecSync\(|\bchild_process"\)?\.exec\(|\bos\.(?:system|popen)\(|import\s*\{[^}]*\bexec\b[^}]*\}\s*from\s*"node:child_process"/;
  expect(files.filter((file) => shell.test(readFileSync(join(ROOT, file), "utf8")))).toEqual([]);
});
