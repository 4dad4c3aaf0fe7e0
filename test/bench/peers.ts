/** What a training loop pays for each tracker, and what a `kill -9` costs it: ours and the peers', one after another. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { lastJson, python } from "../e2e/demo/processes.ts";
import { machine } from "./machine.ts";

const SCRIPT = join(import.meta.dirname, "python/peer_log.py");
const PYTHON = join(import.meta.dirname, "../../.venv/bin/python");
const PACED_CALLS = 500;
/** How long a loop logs before it is killed, and how long its points may take to show. */
const KILL_AFTER_MS = 2000;
const SHOW_LIMIT_MS = 5000;

/** Calls at full speed: about a second for each peer. */
const CALLS: { readonly [peer: string]: number } = {
  ours: 50_000,
  "wandb-offline": 2000,
  trackio: 5000,
  dvclive: 100,
  tensorboard: 1000,
  "mlflow-async": 500,
  "mlflow-sync": 50,
  "clearml-offline": 300,
};
/** Trackers that would take minutes for PACED_CALLS. */
const SLOW = new Set(["mlflow-sync", "clearml-offline"]);
const SLOW_CALLS = 50;

const Timed = z.object({
  p50_us: z.number(),
  p99_us: z.number(),
  max_us: z.number(),
  drain_s: z.number(),
  points_per_s: z.number(),
  peak_mib: z.number(),
});
const Shown = z.object({ points: z.number() });

/** The figures of one tracker. */
export interface PeerFigures {
  readonly peer: string;
  readonly full: z.infer<typeof Timed>;
  readonly paced: z.infer<typeof Timed>;
  /** Points of calls that had returned before the kill, and how many of them the tool does not show. */
  readonly killed: { readonly logged: number; readonly lost: number };
}

/** Measures every tracker, ours first. */
export async function peers(env: NodeJS.ProcessEnv, mlflowUrl: string): Promise<PeerFigures[]> {
  const figures: PeerFigures[] = [];
  for (const [peer, calls] of Object.entries(CALLS)) {
    const folder = mkdtempSync(join(tmpdir(), `pkx-bench-${peer}-`));
    const own = {
      ...env,
      MLFLOW_TRACKING_URI: mlflowUrl,
      TRACKIO_DIR: join(folder, "trackio"),
      HF_HOME: join(folder, "hf"),
    };
    try {
      const run = async (mode: string, count: number) => {
        const into = mkdtempSync(join(folder, `${mode}-`));
        return Timed.parse(lastJson(await python(SCRIPT, [peer, into, mode, String(count)], own)));
      };
      const full = await run("full", calls);
      const paced = await run("paced", SLOW.has(peer) ? SLOW_CALLS : PACED_CALLS);
      figures.push({ peer, full, paced, killed: await killed(peer, folder, own) });
      console.error(`    ${peer}`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return figures;
}

/** Kills a loop and counts what is left of it. */
async function killed(peer: string, parent: string, env: NodeJS.ProcessEnv): Promise<PeerFigures["killed"]> {
  const folder = mkdtempSync(join(parent, "killed-"));
  const own = { ...env, TRACKIO_DIR: join(folder, "trackio") };
  const child: ChildProcess = spawn(PYTHON, [SCRIPT, peer, folder, "forever"], {
    env: own,
    stdio: ["ignore", "pipe", "ignore"],
  });
  let logged = 0;
  child.stdout?.on("data", (data: Buffer) => {
    const steps = [...data.toString().matchAll(/logged (\d+)\n/g)];
    logged = Math.max(logged, Number(steps.at(-1)?.[1] ?? 0));
  });
  while (logged === 0) await sleep(20);
  await sleep(KILL_AFTER_MS);
  child.kill("SIGKILL");
  await once(child, "close");
  const points = logged * 10;
  let shown = 0;
  for (const start = Date.now(); shown < points && Date.now() - start < SHOW_LIMIT_MS; await sleep(200)) {
    const count = Shown.safeParse(
      lastJson(await python(SCRIPT, [peer, folder, "shown"], own).catch(() => '{"points":0}')),
    );
    shown = count.success ? count.data.points : 0;
  }
  return { logged: points, lost: Math.max(0, points - shown) };
}

/** The figures as a Markdown table, with ours as 1 in the ratios. */
export function peerTable(figures: readonly PeerFigures[]): string {
  const ours = figures.find(({ peer }) => peer === "ours");
  const micro = (value: number) => value.toFixed(value < 10 ? 1 : 0);
  const times = (timed: z.infer<typeof Timed>) =>
    [timed.p50_us, timed.p99_us, timed.max_us].map(micro).join(" / ");
  const rows = figures.map(({ peer, full, paced, killed }) => [
    peer,
    times(full),
    ours === undefined ? "" : `${(full.p50_us / ours.full.p50_us).toFixed(1)}x`,
    times(paced),
    `${full.drain_s.toFixed(2)} s`,
    `${Math.round(full.points_per_s).toLocaleString("en-US")}/s`,
    `${Math.round(full.peak_mib)} MiB`,
    `${killed.lost} of ${killed.logged}`,
  ]);
  const header = [
    "tracker",
    "log at full speed, p50 / p99 / max, us",
    "p50 to ours",
    "one each 2 ms, us",
    "drain",
    "points/s end to end",
    "peak memory",
    "points lost by kill -9",
  ];
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

/** One line above the table. */
export function peerCaption(): string {
  return `A loop that logs ten scalars a call, on ${machine()}.`;
}
