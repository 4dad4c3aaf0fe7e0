/** The single executable: made here, and run where there is no Node. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { toolPath } from "../support/tools.ts";
import { canIsolate } from "./pod.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const { version: VERSION } = JSON.parse(readFileSync(join(ROOT, "daemon/package.json"), "utf8"));

let made: string;
let pkx: string;
let home: string;
let env: NodeJS.ProcessEnv;

beforeAll(() => {
  made = mkdtempSync(join(tmpdir(), "pkx-"));
  chmodSync(made, 0o755);
  pkx = join(made, "pkx");
  execFileSync(process.execPath, [join(ROOT, "daemon/deploy/sea/build.ts"), "--out", pkx], {
    stdio: "ignore",
  });
});

afterAll(() => rmSync(made, { recursive: true, force: true }));

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "pkx-"));
  const tmp = join(home, "tmp");
  mkdirSync(tmp);
  env = {
    // No program is found by its name.
    PATH: "/none",
    HOME: home,
    TMPDIR: tmp,
    PKX_STATE_DIR: join(home, "state"),
    PKX_RUNTIME_DIR: join(home, "run"),
  };
});

afterEach(async () => {
  if (existsSync(join(home, "state"))) await run(["stop"]);
  rmSync(home, { recursive: true, force: true });
});

async function run(args: readonly string[], command = [pkx], environment = env) {
  const [program = "", ...before] = command;
  const child = spawn(program, [...before, ...args], {
    env: environment,
    cwd: "/",
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const [code] = await once(child, "close");
  return { code, out, err };
}

function programs(): string {
  return join(home, ".cache/pipekit-experiment/program");
}

/** The folder that the bundle is unpacked in. */
function unpacked(): string {
  const [name = ""] = readdirSync(programs());
  return join(programs(), name);
}

function contents(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.sort().map((path) => [path, readFileSync(path, "base64")]));
}

const shows = { code: 0, out: `${VERSION}\n`, err: "" };

test("without Node it serves, and starts its daemon from itself", async () => {
  expect(await run(["--version"])).toEqual(shows);
  expect(await run(["runs", "list"])).toEqual({ code: 0, out: "No runs.\n", err: "" });
  const status = JSON.parse((await run(["status", "--json"])).out);
  expect(status).toMatchObject({ running: true, daemonVersion: VERSION });
  if (process.platform === "linux") expect(readlinkSync(`/proc/${status.pid}/exe`)).toBe(pkx);
  expect(await run(["health"])).toEqual({ code: 0, out: "serving\n", err: "" });
  expect(statSync(programs()).mode & 0o777).toBe(0o700);
  expect((await run(["stop"])).code).toBe(0);
});

test("the Python client starts it, and the worker threads and late imports of a run work", async () => {
  const script = [
    "import pipekit_experiment as pe",
    `with pe.start_run("x", sinks=["tensorboard://${join(home, "events")}"]) as run: run.log({"loss": 1.0}, 0)`,
  ].join("\n");
  const started = await run(["-c", script], [toolPath("python")], { ...env, PKX_DAEMON: pkx });
  expect(started).toMatchObject({ code: 0 });
  expect((await run(["wait", "--timeout", "20"])).code).toBe(0);
  expect(JSON.parse((await run(["status", "--json"])).out)).toMatchObject({ points: 1, pointsPending: 0 });
  expect(readdirSync(join(home, "events")).length).toBeGreaterThan(0);
});

test("several at once unpack it together", async () => {
  const all = await Promise.all(Array.from({ length: 4 }, () => run(["--version"])));
  expect(all).toEqual([shows, shows, shows, shows]);
  expect([...contents(unpacked()).keys()].filter((path) => /\.[0-9a-f]{16}$/.test(path))).toEqual([]);
});

test("a damaged folder is mended file by file, and other versions are left alone", async () => {
  await run(["--version"]);
  const folder = unpacked();
  const before = contents(folder);
  const [first = "", second = "", third = ""] = [...before.keys()].filter((path) => path.endsWith(".mjs"));
  const other = join(programs(), "0123", "pkx.mjs");
  mkdirSync(dirname(other));
  writeFileSync(other, "process.exit(9);\n");
  truncateSync(first, 10);
  appendFileSync(second, "\nprocess.exit(9);\n");
  rmSync(third);
  writeFileSync(join(folder, "start.cjs"), "process.exit(9);\n");
  expect(await run(["--version"])).toEqual(shows);
  expect(contents(folder)).toEqual(before);
  expect(existsSync(other)).toBe(true);
});

test("a folder that others can write is not used", async () => {
  mkdirSync(programs(), { recursive: true });
  chmodSync(programs(), 0o777);
  expect(await run(["--version"])).toEqual(shows);
  expect(readdirSync(programs())).toEqual([]);
  expect(readdirSync(join(home, "tmp"))).toEqual([`pkx-program-${process.getuid?.()}`]);
});

test.skipIf(!canIsolate)("in a read-only root, as another user, with one folder to write", async () => {
  const tmp = join(home, "tmp");
  chmodSync(home, 0o755);
  const script =
    'mount -t tmpfs -o mode=1777 tmpfs "$1"; mount -o remount,bind,ro /; shift; exec setpriv --reuid 10001 --regid 10001 --clear-groups --bounding-set=-all "$@"';
  const isolated = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh", tmp, pkx];
  const inside = { ...env, PATH: process.env["PATH"], HOME: "/nowhere", PKX_STATE_DIR: join(tmp, "s") };
  expect(await run(["--version"], isolated, inside)).toEqual(shows);
  const nowhere = await run(["--version"], isolated, { ...inside, TMPDIR: "/nowhere" });
  expect(nowhere).toMatchObject({ code: 1, out: "" });
  expect(nowhere.err).toMatch(/cannot be unpacked.*\/nowhere\/pkx-program-10001.*XDG_CACHE_HOME or TMPDIR/s);
});
