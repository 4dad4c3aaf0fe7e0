/**
 * Makes the single executable: Node, the daemon's bundle and a loader in one file that needs neither pip, npm nor Node.
 * `npm run sea` makes dist/pkx; `--out FILE` makes it elsewhere. For the system and Node that it is run on.
 *
 * Format: Node's single executable application (nodejs.org/api/single-executable-applications), put in by postject.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { programOf } from "../../program/content.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const BUILD = join(ROOT, "daemon/build.ts");
const POSTJECT = createRequire(import.meta.url).resolve("postject/dist/cli.js");
/** Where Node looks for what was put in, and the mark that tells it to: its own constants. */
const RESOURCE = "NODE_SEA_BLOB";
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** The first file that runs from the disk. */
const START = 'import("./pkx.mjs");\n';

async function makeExecutable(target: string): Promise<void> {
  mkdirSync(dirname(target), { recursive: true });
  // Beside the target, so that it becomes the target at once, also while the old one runs.
  const work = mkdtempSync(join(dirname(target), ".sea-"));
  try {
    const blob = await makeBlob(work);
    const fresh = join(work, "pkx");
    copyFileSync(process.execPath, fresh);
    chmodSync(fresh, 0o755);
    strip(fresh);
    // As a program, whose warnings about sections of no concern are kept unless it fails.
    execFileSync(process.execPath, [POSTJECT, fresh, RESOURCE, blob, "--sentinel-fuse", FUSE], {
      stdio: "pipe",
    });
    renameSync(fresh, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** What goes into the executable, in Node's format; returns its path. */
async function makeBlob(work: string): Promise<string> {
  const bundle = join(work, "bundle");
  execFileSync(process.execPath, [BUILD, "--out", bundle], { stdio: "inherit" });
  writeFileSync(join(bundle, "start.cjs"), START);
  const paths = readdirSync(bundle, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(bundle, join(entry.parentPath, entry.name)));
  const files = new Map(paths.map((path) => [path, readFileSync(join(bundle, path))]));
  const manifest = join(work, "manifest.json");
  writeFileSync(manifest, JSON.stringify(programOf(files)));
  const main = join(work, "loader.cjs");
  await build({
    entryPoints: [join(import.meta.dirname, "loader.ts")],
    outfile: main,
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node24",
  });
  const config = join(work, "sea.json");
  const output = join(work, "blob");
  writeFileSync(
    config,
    JSON.stringify({
      main,
      output,
      disableExperimentalSEAWarning: true,
      execArgv: ["--disable-warning=ExperimentalWarning"],
      // What a debugger or test runner has put into NODE_OPTIONS is for other programs.
      execArgvExtension: "none",
      assets: {
        "manifest.json": manifest,
        ...Object.fromEntries(paths.map((path) => [path, join(bundle, path)])),
      },
    }),
  );
  execFileSync(process.execPath, ["--experimental-sea-config", config], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return output;
}

/** Takes out what is for debuggers of Node itself, where the system has the program for it. */
function strip(file: string): void {
  try {
    execFileSync("strip", [file], { stdio: "ignore" });
  } catch {
    console.log("strip is missing or failed: the executable is some megabytes larger.");
  }
}

const { values } = parseArgs({ options: { out: { type: "string" } } });
const target = resolve(values.out ?? join(ROOT, "dist/pkx"));
await makeExecutable(target);
console.log(`${relative(ROOT, target)}: ${Math.round(statSync(target).size / 1e6)} MB`);
