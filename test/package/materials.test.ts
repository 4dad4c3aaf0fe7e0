/** Versions that must agree, and licences of what is shipped. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildBundle } from "../../daemon/build.ts";
import { refusedLicences } from "../../daemon/package/licences.ts";
import { ROOT } from "./made.ts";

const text = (path: string) => readFileSync(join(ROOT, path), "utf8");

test("one version stands everywhere", () => {
  const { workspaces } = JSON.parse(text("package.json"));
  const manifests = workspaces.map((folder: string) => JSON.parse(text(`${folder}/package.json`)));
  const [{ version }] = manifests;
  expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  const found: (readonly [string, string | undefined])[] = [];
  for (const { name, version, dependencies = {} } of manifests) {
    found.push([name, version]);
    for (const [on, range] of Object.entries(dependencies)) {
      if (on.startsWith("@pipekit/")) found.push([`${name} on ${on}`, String(range)]);
    }
  }
  const lock = JSON.parse(text("package-lock.json")).packages;
  for (const folder of workspaces) found.push([`lock of ${folder}`, lock[folder].version]);
  const quoted = (path: string, pattern: RegExp) => found.push([path, pattern.exec(text(path))?.[1]]);
  quoted("clients/python/src/pipekit_experiment/__init__.py", /^__version__ = "(.+)"$/m);
  quoted("clients/typescript/src/channel.ts", /^export const VERSION = "(.+)";$/m);
  quoted("CHANGELOG.md", /^## \[(\d+\.\d+\.\d+)\]/m);
  expect(found.filter(([, other]) => other !== version)).toEqual([]);
});

describe("licences", () => {
  const of = (licence: string) => refusedLicences([{ name: "a", version: "1", licence }]);

  test.each(["MIT", "MIT OR GPL-3.0-only", "(Apache-2.0 AND BSD-3-Clause)", "3-Clause BSD License"])(
    "%s may be shipped",
    (licence) => expect(of(licence)).toEqual([]),
  );

  test.each([
    "GPL-3.0-only",
    "MIT AND GPL-3.0-only",
    "SSPL-1.0",
    "UNLICENSED",
    "SEE LICENSE IN x",
    "",
    "(MIT OR (GPL-2.0 AND X))",
  ])("%j may not, before somebody looked at it", (licence) =>
    expect(of(licence)).toEqual([`a 1: ${licence || "no licence is told"}`]),
  );

  test("the licence of each package that is in the bundle comes along", async () => {
    const { files, packages } = await buildBundle();
    const texts = String(files.get("LICENSES.txt")).split(/^-{78}$/m);
    const told = texts.map((part) => part.trim().split("\n"));
    const names = told.map(([name]) => name);
    for (const folder of packages) {
      const name = folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);
      if (name === "uplot") continue;
      expect(names).toContain(name);
    }
    expect(String(files.get("page/LICENSES.txt"))).toMatch(/^uplot\n\nThe MIT License/);
    const short = told.filter((lines) => lines.length < 5).map(([, , licence]) => licence);
    for (const line of short) expect(line).toMatch(/^Licence: \(?(Apache-2\.0|MIT|BSD-3-Clause)/);
  });
});
