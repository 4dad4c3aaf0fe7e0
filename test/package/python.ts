/**
 * The wheel and the sdist, installed into empty environments without Node, and used. The oldest and the newest Python in each
 * run; with `PKX_ALL_PYTHONS=1` all that are supported.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findPython, pythonMissing, SUPPORTED_PYTHONS } from "../support/pythons.ts";
import { toolPath } from "../support/tools.ts";
import { type Made, run } from "./made.ts";

const USE = join(import.meta.dirname, "use_wheel.py");
const [OLDEST = "", ...NEWER] = SUPPORTED_PYTHONS;
const NEWEST = NEWER.at(-1) ?? "";
/** Installs a file of dist/ into a new environment and runs a stranger's first hour there; returns what that said. */
async function installAndUse(home: string, file: string, version: string): Promise<string> {
  const place = join(home, `${version}-${file.endsWith(".whl") ? "w" : "s"}`);
  const venv = join(place, "venv");
  const bin = join(venv, "bin");
  await run(findPython(version) ?? "", ["-m", "venv", venv]);
  await run(join(bin, "python"), ["-m", "pip", "install", "--disable-pip-version-check", "--quiet", file]);
  const folders = { PKX_STATE_DIR: join(place, "state"), PKX_RUNTIME_DIR: join(place, "run") };
  // Nothing of the machine but the environment itself: no Node, no tree.
  const env = { PATH: bin, HOME: place, ...folders };
  mkdirSync(join(place, "cwd"));
  return run(join(bin, "python"), [USE, place], { env, cwd: join(place, "cwd") });
}

const told = (version: string) =>
  expect.stringMatching(`^used \\(${version.replace(".", ", ")}\\) [0-9a-f]{8}\n$`);

/** The tests of what was made; `home` is a folder for them. */
export function testPython(made: () => Made, home: string): void {
  test.skipIf(pythonMissing(OLDEST)).concurrent(`the wheel works on Python ${OLDEST}`, async () => {
    expect(await installAndUse(home, made().wheel, OLDEST)).toEqual(told(OLDEST));
  });

  test.skipIf(pythonMissing(NEWEST)).concurrent(`the sdist works on Python ${NEWEST}`, async () => {
    expect(await installAndUse(home, made().sdist, NEWEST)).toEqual(told(NEWEST));
  });

  for (const version of process.env["PKX_ALL_PYTHONS"] ? NEWER : []) {
    test.skipIf(pythonMissing(version))(`the wheel works on Python ${version}`, async () => {
      expect(await installAndUse(home, made().wheel, version)).toEqual(told(version));
    });
  }

  test("both are well described, and for any system", async () => {
    await run(toolPath("twine"), ["check", "--strict", made().wheel, made().sdist]);
    expect(made().wheel).toMatch(/pipekit_experiment-\d+\.\d+\.\d+-py3-none-any\.whl$/);
  });

  test("they hold the sources, the bundle and the licences, and nothing that was lying about", async () => {
    const sources = join(home, "sources");
    const unpacked = join(home, "unpacked");
    for (const [file, folder] of [
      [made().sdist, sources],
      [made().wheel, unpacked],
    ] as const) {
      await run(toolPath("python"), [
        "-c",
        "import shutil, sys; shutil.unpack_archive(*sys.argv[1:])",
        file,
        folder,
        file.endsWith(".whl") ? "zip" : "gztar",
      ]);
    }
    const [top = ""] = readdirSync(sources);
    const listed = (folder: string) => readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
    const inWheel = listed(join(unpacked, "pipekit_experiment"));
    expect(inWheel).toEqual(listed(join(sources, top, "src/pipekit_experiment")));
    expect(inWheel).toEqual(expect.arrayContaining(["py.typed", "_daemon/pkx.mjs", "_daemon/LICENSES.txt"]));
    expect(inWheel.filter((path) => /__pycache__|\.pyc$|(^|\/)tests?(\/|$)/.test(path))).toEqual([]);
    const [info = ""] = readdirSync(unpacked).filter((name) => name.endsWith(".dist-info"));
    expect(readFileSync(join(unpacked, info, "licenses/LICENSE"), "utf8")).toContain("Apache License");
    expect(readFileSync(join(unpacked, info, "entry_points.txt"), "utf8")).toContain("pkx = ");
  });
}
