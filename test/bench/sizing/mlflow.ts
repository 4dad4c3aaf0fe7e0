/** What delivery to MLflow takes: of the daemon, and of MLflow's own server, which is what ends first. */
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@pipekit/experiment";
import { startDaemon } from "../../support/daemon.ts";
import { startMlflowServer } from "../../support/mlflow-server.ts";
import { BUNDLE } from "../bundle.ts";
import { costOf, groupCpuSeconds } from "../process-cost.ts";
import type { Section } from "./section.ts";

const LIMIT_MS = 300_000;

interface Load {
  readonly name: string;
  readonly runs: number;
  /** Rows of ten values of each run. */
  readonly rows: number;
  /** Between two rows, milliseconds. */
  readonly pauseMs: number;
}

const LOADS: readonly Load[] = [
  { name: "one run of 20,000 points", runs: 1, rows: 2000, pauseMs: 0 },
  { name: "10 runs of 2000 points at a time", runs: 10, rows: 200, pauseMs: 0 },
  { name: "100 runs of 10 points", runs: 100, rows: 1, pauseMs: 0 },
  { name: "20 runs that log a row of 10 values a second, for 10 seconds", runs: 20, rows: 10, pauseMs: 1000 },
];

export async function mlflow(): Promise<Section> {
  const server = await startMlflowServer();
  const daemon = await startDaemon({ script: BUNDLE });
  const client = await connect({ endpoint: daemon.endpoint });
  const spec = `mlflow+http://${server.host}/sizing`;
  const deliver = async ({ runs, rows, pauseMs }: Load) => {
    const ids = await Promise.all(
      Array.from({ length: runs }, async () => {
        const run = await client.startRun({ name: "sizing", sinks: [spec] });
        for (let step = 0; step < rows; step++) {
          run.log(Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`train/m${i}`, step + i])), step);
          if (pauseMs > 0) await delay(pauseMs);
        }
        await run.end();
        return run.runId;
      }),
    );
    const left = new Set(ids);
    for await (const seen of client.watchRuns(ids, { signal: AbortSignal.timeout(LIMIT_MS) })) {
      if (seen.sinks.every(({ pointsSent }) => pointsSent === rows * 10)) left.delete(seen.runId);
      if (left.size === 0) break;
    }
  };
  const rows: string[][] = [];
  try {
    // The first run makes the experiment.
    await deliver({ name: "", runs: 1, rows: 1, pauseMs: 0 });
    for (const load of LOADS) {
      const before = groupCpuSeconds(server.folder);
      const { cpuS, wallS } = await costOf(daemon.pid, () => deliver(load));
      const theirs = groupCpuSeconds(server.folder) - before;
      const points = load.runs * load.rows * 10;
      rows.push([
        load.name,
        `${((1000 * theirs) / load.runs).toFixed(0)} ms a run`,
        `${((1000 * theirs) / (points / 1000)).toFixed(0)} ms for 1000 points`,
        `${((1000 * cpuS) / load.runs).toFixed(0)} ms a run`,
        `${(theirs / cpuS).toFixed(1)}`,
        `${Math.round(points / wallS)} points/s, ${(load.runs / wallS).toFixed(1)} runs/s`,
      ]);
    }
  } finally {
    client.close();
    await daemon.stop();
    await server.stop();
  }
  const header = [
    "delivery to MLflow",
    "MLflow's server",
    "MLflow's server",
    "daemon",
    "MLflow : daemon",
    "rate, wall clock",
  ];
  const note =
    "MLflow with one worker on SQLite. A run's cost has its start, its end and the count of its points in it.";
  return { title: "Delivery to MLflow", header, rows, note };
}
