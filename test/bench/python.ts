/** The figures of the Python client: one log call, import, throughput, cold start. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { lastJson, pipekitEnv, python, ROOT } from "../e2e/demo/processes.ts";
import { type Figure, median } from "./report.ts";

const HERE = join(import.meta.dirname, "python");
const PYTHON = join(ROOT, ".venv/bin/python");
const CALLS = 50_000;
const PEER_CALLS = 100;
const POINTS = 2_000_000;
const COLD_STARTS = 5;
const IMPORTS = 7;

const Quantiles = z.object({ p50_us: z.number(), p99_us: z.number(), max_us: z.number() });
const LogCall = z.object({ full: Quantiles, paced: Quantiles });
const Points = z.object({ seconds: z.number(), log_seconds: z.number(), dropped: z.number() });
const FirstAck = z.object({ import_ms: z.number(), first_ack_ms: z.number() });

const ratio = (value: number) => value.toFixed(value < 10 ? 2 : 0);
const micro = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} us`;

/**
 * One call that logs ten scalars, against the mlflow client on a real server, and against `floor`: a bare copy of the
 * ten values in the same loop, which tells how fast the machine was at that moment.
 */
export async function logCall(env: NodeJS.ProcessEnv, mlflowUrl: string): Promise<Figure[]> {
  const script = join(HERE, "log_call.py");
  const ours = LogCall.parse(lastJson(await python(script, ["ours", String(CALLS)], env)));
  const peers = { floor: CALLS, "mlflow-async": PEER_CALLS, "mlflow-sync": PEER_CALLS };
  const figures: Figure[] = [];
  for (const [peer, calls] of Object.entries(peers)) {
    const theirs = LogCall.parse(lastJson(await python(script, [peer, String(calls), mlflowUrl], env)));
    for (const pace of ["full", "paced"] as const) {
      const [mine, other] = [ours[pace], theirs[pace]];
      figures.push({
        name: `log 10 scalars, ${pace === "full" ? "full speed" : "one each 2 ms"}, p50 / p99 / max`,
        ours: `${micro(mine.p50_us)} / ${micro(mine.p99_us)} / ${micro(mine.max_us)}`,
        peer: `${peer} ${micro(other.p50_us)} / ${micro(other.p99_us)} / ${micro(other.max_us)}`,
        ratio: `p50 1 : ${ratio(other.p50_us / mine.p50_us)}`,
        goal: "p50 <= 2 us, p99 <= 20 us",
        met: mine.p50_us <= 2 && mine.p99_us <= 20,
      });
    }
  }
  return figures;
}

/** What `import` costs over a bare interpreter, against `import mlflow`. */
export function importTime(): Figure[] {
  const took = (code: string) => {
    const start = performance.now();
    spawnSync(PYTHON, ["-c", code]);
    return performance.now() - start;
  };
  const times: Record<string, number[]> = { pass: [], "import pipekit_experiment": [], "import mlflow": [] };
  for (const code of Object.keys(times)) took(code);
  for (let i = 0; i < IMPORTS; i++) {
    for (const [code, list] of Object.entries(times)) list.push(took(code));
  }
  const over = (code: string) => median(times[code] ?? []) - median(times["pass"] ?? []);
  const [ours, theirs] = [over("import pipekit_experiment"), over("import mlflow")];
  return [
    {
      name: "import, over a bare interpreter",
      ours: `${ours.toFixed(1)} ms`,
      peer: `mlflow ${theirs.toFixed(0)} ms`,
      ratio: `1 : ${Math.round(theirs / Math.max(ours, 0.1))}`,
      goal: "<= 60 ms",
      met: ours <= 60,
    },
  ];
}

/** Points a second from log() to the durable acknowledgement. */
export async function throughput(env: NodeJS.ProcessEnv): Promise<Figure[]> {
  const result = Points.parse(lastJson(await python(join(HERE, "points.py"), [String(POINTS)], env)));
  const rate = POINTS / result.seconds;
  return [
    {
      name: `points/s, Python log() to durable ack (${POINTS / 1e6} M, dropped ${result.dropped})`,
      ours: `${(rate / 1e6).toFixed(2)} M/s`,
      peer: "",
      ratio: "",
      goal: ">= 1 M/s",
      met: rate >= 1e6 && result.dropped === 0,
    },
  ];
}

/** From no daemon at all to the first acknowledgement, in fresh folders. */
export async function coldStart(): Promise<Figure[]> {
  const times: number[] = [];
  for (let i = 0; i < COLD_STARTS; i++) {
    const home = mkdtempSync(join(tmpdir(), "pkx-bench-"));
    const env = pipekitEnv(home);
    times.push(FirstAck.parse(lastJson(await python(join(HERE, "first_ack.py"), [], env))).first_ack_ms);
    const pkx = join(ROOT, "daemon/dist/pkx.mjs");
    spawnSync(process.execPath, [pkx, "stop"], { env });
    rmSync(home, { recursive: true });
  }
  return [
    {
      name: "cold start of the daemon to the first durable ack",
      ours: `median ${median(times).toFixed(0)} ms, max ${Math.max(...times).toFixed(0)} ms`,
      peer: "",
      ratio: "",
      goal: "<= 300 ms",
      met: median(times) <= 300,
    },
  ];
}
