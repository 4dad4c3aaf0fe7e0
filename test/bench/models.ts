/** Storing, loading and resolving models: 1 GiB against `cp` and `sha256sum` and `dvc add`, and the latency of a resolve. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@pipekit/experiment";
import { ROOT } from "../e2e/demo/processes.ts";
import { type Figure, median } from "./report.ts";
import { seconds, writeWeights } from "./weights.ts";

const ROUNDS = 3;
const RESOLVES = 2000;

/** Figures of the local registry below `home`, where the files of the peers lie too. */
export async function models(env: NodeJS.ProcessEnv, home: string): Promise<Figure[]> {
  const folder = mkdtempSync(join(home, "weights-"));
  const [weights, copy, loaded] = ["weights.bin", "copy.bin", "loaded.bin"].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  const times = {
    peer: [] as number[],
    dvc: [] as number[],
    again: [] as number[],
    store: [] as number[],
    load: [] as number[],
  };
  const dvc = (...args: string[]) =>
    execFileSync(join(ROOT, ".venv/bin/dvc"), args, { cwd: folder, env: { ...env, DVC_NO_ANALYTICS: "1" } });
  dvc("init", "--no-scm", "-q");
  const client = await connect({ env });
  try {
    const registry = client.registry();
    for (let round = 0; round < ROUNDS; round++) {
      writeWeights(weights);
      execFileSync("sync");
      times.peer.push(
        await seconds(() => {
          execFileSync("cp", [weights, copy]);
          execFileSync("sync", [copy]);
          execFileSync("sha256sum", [copy]);
        }),
      );
      rmSync(copy);
      const operator = { module: "bench", class: "Raw", config: { round } };
      let hash = "";
      times.store.push(
        await seconds(async () => {
          hash = (await registry.store({ operator, weights, name: "bench", force: true })).model.hash;
        }),
      );
      times.load.push(await seconds(() => registry.load(hash, { toFile: loaded })));
      rmSync(loaded);
      // Verified before and unchanged since: a look at the file is enough.
      times.again.push(1000 * (await seconds(() => registry.load(hash))));
      times.dvc.push(await seconds(() => dvc("add", "-q", "weights.bin")));
    }
    const latencies: number[] = [];
    const refused: number[] = [];
    for (let i = 0; i < RESOLVES; i++) {
      latencies.push((await seconds(() => registry.resolve("bench"))) * 1000);
      // What gRPC alone costs: the daemon refuses the ref before it looks at anything.
      refused.push((await seconds(() => registry.resolve("-").catch(() => undefined))) * 1000);
    }
    const peer = median(times.peer);
    const against = (name: string, took: number): Figure => ({
      name,
      ours: `${took.toFixed(2)} s`,
      peer: `cp + sync + sha256sum ${peer.toFixed(2)} s`,
      ratio: `${(took / peer).toFixed(2)}x`,
      goal: "<= 1.3x",
      met: took <= 1.3 * peer,
    });
    const resolve = median(latencies);
    const sorted = latencies.toSorted((a, b) => a - b);
    return [
      against("store 1 GiB", median(times.store)),
      {
        name: "store 1 GiB",
        ours: `${median(times.store).toFixed(2)} s`,
        peer: `dvc add ${median(times.dvc).toFixed(2)} s`,
        ratio: `${(median(times.store) / median(times.dvc)).toFixed(2)}x`,
        goal: "",
        met: undefined,
      },
      against("load 1 GiB to a file, verified", median(times.load)),
      {
        name: "load 1 GiB by path, again",
        ours: `${median(times.again).toFixed(2)} ms`,
        peer: "",
        ratio: "",
        goal: "no transfer, no hash",
        met: undefined,
      },
      {
        name: "resolve a tag, p50 / p99",
        ours: `${resolve.toFixed(2)} / ${(sorted[Math.floor(RESOLVES * 0.99)] ?? 0).toFixed(2)} ms`,
        peer: `a call that does nothing ${median(refused).toFixed(2)} ms`,
        ratio: `${(resolve / median(refused)).toFixed(2)}x`,
        goal: "p50 <= 0.5 ms",
        met: resolve <= 0.5,
      },
    ];
  } finally {
    client.close();
    rmSync(folder, { recursive: true });
  }
}
