/**
 * Makes a fresh clone ready: npm packages (Node 24 among them), the Python environment, the daemon's bundle. Then,
 * with `--run SCRIPT [ARGS]`, runs that script on Node 24. Plain JavaScript, because the Node that starts it is 20.
 * What is up to date is skipped.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
const BIN = join(ROOT, "node_modules/.bin");
const VENV = join(ROOT, ".venv");
const PYTHON = join(VENV, "bin/python");
const WANDB_READER = join(ROOT, ".tools/wandb-0.28");
const CODE_SERVER = join(ROOT, ".tools/code-server");
const DOCS_SITE = join(ROOT, "docs/site");
const LIVE = process.stderr.isTTY === true;

/** Digest of the files that a step depends on. */
function digest(files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(join(ROOT, file)));
  return hash.digest("hex");
}

/** Whether the stamp left by an earlier run of a step still fits. */
function fits(stamp, value) {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === value;
}

/** Runs commands one after another behind one progress line; shows all their output only when one fails. */
async function step(title, commands) {
  const started = Date.now();
  const seconds = () => `${Math.round((Date.now() - started) / 1000)} s`;
  let output = "";
  let last = "";
  if (!LIVE) console.error(`  ${title} ...`);
  const timer = setInterval(() => {
    if (LIVE) process.stderr.write(`\r\x1b[K  ${title} ... ${seconds()} ${last.slice(0, 60)}`);
    else if ((Date.now() - started) % 30_000 < 500)
      console.error(`  ${title} ... ${seconds()} ${last.slice(0, 80)}`);
  }, 500);
  try {
    for (const [command, ...args] of commands) {
      const code = await new Promise((done, fail) => {
        const child = spawn(command, args, {
          cwd: ROOT,
          stdio: ["ignore", "pipe", "pipe"],
          env: environment(),
        });
        const take = (chunk) => {
          output += chunk;
          last = String(chunk).trim().split("\n").at(-1) ?? "";
        };
        child.stdout.on("data", take);
        child.stderr.on("data", take);
        child.on("error", fail);
        child.on("close", done);
      });
      if (code !== 0)
        throw new Error(`${title} failed (${command} ${args.join(" ")}):\n${output.slice(-6000)}`);
    }
  } finally {
    clearInterval(timer);
    if (LIVE) process.stderr.write("\r\x1b[K");
  }
  console.error(`  ${title}: done in ${seconds()}`);
}

function environment() {
  return { ...process.env, PATH: `${BIN}:${join(VENV, "bin")}:${process.env.PATH}` };
}

function checkPython() {
  const asked = spawnSync("python3", [
    "-c",
    "import sys, venv, ensurepip; print(sys.version_info >= (3, 11))",
  ]);
  if (asked.stdout?.toString().trim() === "True") return;
  throw new Error(
    "Python 3.11 or newer with the venv module is needed as `python3`. On Debian: apt-get install python3 python3-venv.",
  );
}

/** Programs of the system: what cannot be installed is told, and its tests are skipped. */
async function setUpPrograms() {
  const programs = [join(BIN, "node"), "test/support/programs.ts"];
  const missing = () => {
    const asked = spawnSync(programs[0], programs.slice(1), { cwd: ROOT, env: environment() });
    return asked.stdout?.toString().trim() ?? "";
  };
  if (missing() === "") return;
  try {
    await step("chromium, Neovim and Prometheus, for tests that drive them", [[...programs, "--install"]]);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
  const stillMissing = missing();
  if (stillMissing !== "") console.error(stillMissing.replace(/^/gm, "  SKIPPED: "));
}

/**
 * VS Code in a browser, for the tests of the extension. Its scripts are left out: they would build native modules for
 * minutes, and none of them (logs of its own, Kerberos, other systems) is needed. Where it fails its tests are skipped.
 */
async function setUpCodeServer() {
  const pins = ["package.json", "package-lock.json"].map((name) => `test/support/code-server/${name}`);
  const stamp = join(CODE_SERVER, ".pkx-setup");
  const pinned = digest(pins);
  if (fits(stamp, pinned)) return;
  const flags = ["--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"];
  const vscode = join(CODE_SERVER, "node_modules/code-server/lib/vscode");
  try {
    mkdirSync(CODE_SERVER, { recursive: true });
    await step("VS Code as a server, for tests of the extension (about 600 MB)", [
      ["cp", ...pins, CODE_SERVER],
      ["npm", "ci", "--prefix", CODE_SERVER, ...flags],
      ["npm", "install", "--prefix", vscode, ...flags],
      ["npm", "install", "--prefix", join(vscode, "extensions"), ...flags],
    ]);
    writeFileSync(stamp, pinned);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    console.error("  SKIPPED: code-server is missing: VS Code's extension is not tested.");
  }
}

/** What builds the documentation site: a package of its own, for typedoc needs an older TypeScript. Where it fails the site is not built. */
async function setUpDocs() {
  const stamp = join(DOCS_SITE, "node_modules/.pkx-setup");
  const pinned = digest(["docs/site/package-lock.json"]);
  if (fits(stamp, pinned)) return;
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund"];
  try {
    await step("VitePress and typedoc, for the documentation site", [
      ["npm", "ci", "--prefix", DOCS_SITE, ...flags],
    ]);
    writeFileSync(stamp, pinned);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    console.error("  SKIPPED: the packages of docs/site are missing: the documentation site is not built.");
  }
}

async function setUp() {
  const npmStamp = join(ROOT, "node_modules/.pkx-setup");
  const npmDigest = digest(["package-lock.json"]);
  if (!fits(npmStamp, npmDigest)) {
    await step("npm packages, Node 24 among them", [["npm", "ci", "--no-audit", "--no-fund"]]);
    writeFileSync(npmStamp, npmDigest);
  }
  const pythonStamp = join(VENV, ".pkx-setup");
  const pythonDigest = digest(["test/support/requirements.txt", "clients/python/pyproject.toml"]);
  if (!fits(pythonStamp, pythonDigest)) {
    checkPython();
    const pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"];
    await step("Python packages (about 2 GB: torch, lightning, mlflow, scikit-learn)", [
      ...(existsSync(PYTHON) ? [] : [["python3", "-m", "venv", VENV]]),
      [...pip, "-r", "test/support/requirements.txt"],
      [...pip, "--no-deps", "-e", "clients/python"],
    ]);
    writeFileSync(pythonStamp, pythonDigest);
  }
  const readerStamp = join(WANDB_READER, ".pkx-setup");
  const readerDigest = digest(["test/support/requirements-wandb-reader.txt"]);
  if (!fits(readerStamp, readerDigest)) {
    const pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps"];
    await step("an older W&B client, which reads offline runs in Python", [
      [...pip, "--upgrade", "--target", WANDB_READER, "-r", "test/support/requirements-wandb-reader.txt"],
    ]);
    writeFileSync(readerStamp, readerDigest);
  }
  await setUpPrograms();
  await setUpCodeServer();
  await setUpDocs();
  await step("the daemon's bundle", [[join(BIN, "node"), "daemon/build.ts"]]);
}

try {
  mkdirSync(join(ROOT, ".tools"), { recursive: true });
  console.error("Setting up");
  await setUp();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

const run = process.argv.indexOf("--run");
if (run !== -1) {
  const flags = ["--disable-warning=ExperimentalWarning"];
  const child = spawn(join(BIN, "node"), [...flags, ...process.argv.slice(run + 1)], {
    cwd: ROOT,
    stdio: "inherit",
    env: environment(),
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  child.on("close", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}
