/**
 * `node test/golden/state-folders/write.ts TREE VERSION`: makes journal-VERSION.tar.gz by the code in TREE, a work tree
 * of this repository. README.md says how the trees were made.
 */
import { execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { SINK, startTool } from "../../upgrade/tool.ts";

const [tree = "", version = ""] = process.argv.slice(2);
const home = mkdtempSync("/tmp/g-");
const main = join(resolve(tree), "daemon/main.ts");
const script = join(import.meta.dirname, "write.py");
const env = {
  ...process.env,
  PYTHONPATH: join(resolve(tree), "clients/python/src"),
  PKX_STATE_DIR: join(home, "state"),
  PKX_RUNTIME_DIR: join(home, "run"),
  XDG_CONFIG_HOME: join(home, "config"),
  PKX_NODE: process.execPath,
  PKX_DAEMON: main,
  GOLDEN_SINK: SINK,
  GOLDEN_HOME: home,
  // Pruning came with version 2.
  GOLDEN_PRUNE: version === "1" ? "" : "yes",
};

/** What write.py tells. */
interface Told {
  readonly prune?: string;
  readonly tool?: "away";
  readonly daemon?: "kill";
  readonly runs?: Readonly<Record<string, string>>;
  readonly models?: Readonly<Record<string, string>>;
}

const tool = await startTool();
const python = spawn("python3", [script, "runs"], { env, stdio: ["pipe", "pipe", "inherit"] });
let expected: Told = {};
for await (const line of createInterface(python.stdout)) {
  const told = JSON.parse(line) as Told;
  if (told.prune !== undefined) {
    execFileSync(process.execPath, [main, "prune", "--older-than", "0s", "--apply"], { env });
  }
  if (told.tool === "away") await tool.close();
  if (told.daemon === "kill") {
    process.kill(JSON.parse(readFileSync(join(home, "state/daemon.json"), "utf8")).pid, "SIGKILL");
  }
  if (told.runs !== undefined) {
    expected = told;
    python.kill("SIGKILL");
    break;
  }
  python.stdin.write("\n");
}
const noDaemon = { ...env, PKX_DAEMON: "/nowhere" };
const spooled = JSON.parse(
  execFileSync("python3", [script, "spooled"], {
    env: noDaemon,
    stdio: ["ignore", "pipe", "ignore"],
  }).toString(),
) as Told;
const rings = readdirSync(join(home, "run")).find((name) => name.endsWith(".rings"));
if (rings !== undefined) renameSync(join(home, "run", rings), join(home, "rings"));
for (const made of ["state/logs", "state/daemon.lock", "state/daemon.json"]) {
  rmSync(join(home, made), { recursive: true, force: true });
}
const runs = { ...expected.runs, ...spooled.runs };
const shown = Object.values(runs).flatMap((runId) => tool.runsOf(runId));
writeFileSync(join(home, "tool.json"), JSON.stringify(shown));
writeFileSync(join(home, "expected.json"), JSON.stringify({ runs, models: expected.models }));
const parts = ["state", "tool.json", "expected.json", ...(existsSync(join(home, "rings")) ? ["rings"] : [])];
const archive = join(import.meta.dirname, `journal-${version}.tar.gz`);
execFileSync("tar", ["--sparse", "-C", home, "-I", "gzip -9n", "-cf", archive, ...parts]);
rmSync(home, { recursive: true, force: true });
