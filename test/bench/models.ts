/** Storing, loading and resolving models: 1 GiB against `cp` and `sha256sum`, and the latency of a resolve. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@pipekit/experiment";
import { type Figure, median } from "./report.ts";

const GIB = 2 ** 30;
const ROUNDS = 3;
const RESOLVES = 2000;

async function seconds(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Writes a file of 1 GiB that no deduplication can shorten; `seed` makes it differ from the one before. */
function writeWeights(path: string): void {
  const file = openSync(path, "w");
  const block = randomBytes(16 * 2 ** 20);
  for (let written = 0; written < GIB; written += block.length) {
    block.writeUInt32LE(written / block.length);
    writeSync(file, block);
  }
  closeSync(file);
}

/** Figures of the local registry below `home`, where the files of the peers lie too. */
export async function models(env: NodeJS.ProcessEnv, home: string): Promise<Figure[]> {
  const folder = mkdtempSync(join(home, "weights-"));
  const [weights, copy, loaded] = ["weights.bin", "copy.bin", "loaded.bin"].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  const times = { peer: [] as number[], store: [] as number[], load: [] as number[] };
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
      against("load 1 GiB to a file, verified", median(times.load)),
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
