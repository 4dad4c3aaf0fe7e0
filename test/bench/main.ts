/**
 * `npm run bench`: every figure of DESIGN section 10 that this step has, ours and the peers' in one run, as a Markdown
 * table on standard output. `npm run bench -- --write` also keeps it in docs/benchmarks.md; `-- --only delivery,models`
 * measures a part. Gates nothing.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect } from "@pipekit/experiment";
import { pipekitEnv, ROOT } from "../e2e/demo/processes.ts";
import { startMlflowServer } from "../support/mlflow-server.ts";
import { BUCKET, startSeaweed } from "../support/seaweed.ts";
import { datasets } from "./datasets.ts";
import { delivery } from "./delivery.ts";
import { editor } from "./editor/index.ts";
import { machine, residentBytes } from "./machine.ts";
import { manyModels } from "./many-models.ts";
import { models } from "./models.ts";
import { type PeerFigures, peerCaption, peers, peerTable } from "./peers.ts";
import { coldStart, importTime, logCall, throughput } from "./python.ts";
import { mlflowModels, s3Models } from "./remote-models.ts";
import { type Figure, markdownTable } from "./report.ts";
import { tagLatency } from "./tag-latency.ts";

const IDLE_MS = 5000;
const HEAD = `# Benchmarks

Made by \`npm run bench -- --write\`: ours and the peers' figures in one run on one machine.`;
const READING = "## How to read it";

/** The bundle, as users run it. */
async function startBundle(env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, [join(ROOT, "daemon/dist/pkx.mjs"), "serve"], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return child;
}

async function idleMemory(env: NodeJS.ProcessEnv, pid: number): Promise<Figure[]> {
  const client = await connect({ env });
  await client.status();
  client.close();
  await delay(IDLE_MS);
  const mib = residentBytes(pid) / 2 ** 20;
  return [
    {
      name: "daemon's resident memory, idle after one client",
      ours: `${mib.toFixed(0)} MiB`,
      peer: "",
      ratio: "",
      goal: "<= 80 MB",
      met: mib * 2 ** 20 <= 80e6,
    },
  ];
}

const { values: flags } = parseArgs({
  options: { write: { type: "boolean", default: false }, only: { type: "string", default: "" } },
});
const only = flags.only === "" ? undefined : flags.only.split(",");
if (flags.write && only !== undefined) throw new Error("A part of the figures is not written.");

const home = mkdtempSync(join(tmpdir(), "pkx-bench-"));
const s3 = await startSeaweed();
const env = { ...pipekitEnv(home), ...s3.env() };
const mlflow = await startMlflowServer();
const daemon = await startBundle(env);
const place = { home, env };
const figures: Figure[] = [];
let trackers: PeerFigures[] = [];
try {
  const parts: [string, () => Promise<Figure[]> | Figure[]][] = [
    ["idle memory", () => idleMemory(env, daemon.pid ?? 0)],
    ["log call", () => logCall(env, mlflow.url)],
    ["import", () => importTime()],
    ["throughput", () => throughput(env)],
    ["cold start", () => coldStart()],
    ["models", () => models(env, home)],
    ["datasets", () => datasets(place, s3.endpoint, BUCKET)],
    ["s3", () => s3Models(place, s3.endpoint, BUCKET)],
    ["mlflow", () => mlflowModels(place, mlflow.url, mlflow.host)],
    ["tags", () => tagLatency(place, { endpoint: s3.endpoint, bucket: BUCKET, env: s3.env() }, mlflow)],
    ["many models", () => manyModels(place, daemon.pid ?? 0)],
    ["editor", () => editor(home)],
    ["delivery", () => delivery(env, mlflow.url, mlflow.host)],
  ];
  for (const [name, part] of parts) {
    if (only?.includes(name) === false) continue;
    const started = performance.now();
    figures.push(...(await part()));
    console.error(`  ${name}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
  }
  if (only === undefined || only.includes("peers")) trackers = await peers(env, mlflow.url);
} finally {
  daemon.kill("SIGTERM");
  await mlflow.stop();
  await s3.stop();
  rmSync(home, { recursive: true, force: true });
}
const table = `${machine()}, ${new Date().toISOString().slice(0, 10)}

${markdownTable(figures)}

## The same loop with other trackers

${peerCaption()}

${peerTable(trackers)}`;
console.log(table);
if (flags.write) {
  const page = join(ROOT, "docs/benchmarks.md");
  // What people wrote about the figures stands below them and stays.
  const [, reading = ""] = readFileSync(page, "utf8").split(READING);
  writeFileSync(page, `${HEAD}\n\n${table}\n\n${READING}${reading}`);
}
