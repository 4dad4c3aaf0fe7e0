/** How long it takes to resolve and to move a tag, in each kind of registry, against MLflow's aliases. */
import { join } from "node:path";
import { type Client, connect } from "@pipekit/experiment";
import { z } from "zod";
import { lastJson, pipekitEnv, python } from "../e2e/demo/processes.ts";
import { type BenchPlace, s3Spec } from "./remote-models.ts";
import { type Figure, median } from "./report.ts";
import { seconds } from "./weights.ts";

const CALLS = 100;
/** A promotion is seen when the watcher has the move; the goal of DESIGN section 10. */
const SEEN_MS = 50;
const Alias = z.object({ move: z.number(), read: z.number() });

interface Latency {
  /** Medians, milliseconds. */
  readonly read: number;
  readonly move: number;
  /** From the answer of `tag` to the move in a watcher's hands; 0 when the watcher had it before. */
  readonly seen: number;
}

/** `watcher` may be a client of another daemon. */
async function latency(client: Client, watcher: Client, spec: string): Promise<Latency> {
  const registry = client.registry(spec);
  const hashes: string[] = [];
  for (const version of [1, 2]) {
    const operator = { module: "bench", class: "Tagged", config: { version } };
    hashes.push((await registry.store({ operator })).model.hash);
  }
  await registry.tag(hashes[0] ?? "", "production", { force: true });
  const stop = new AbortController();
  const watch = watcher
    .registry(spec)
    .watchTag("production", { signal: stop.signal })
    [Symbol.asyncIterator]();
  await watch.next();
  const times = { read: [] as number[], move: [] as number[], seen: [] as number[] };
  for (let call = 1; call <= CALLS; call++) {
    const start = performance.now();
    const seen = watch.next().then(() => performance.now());
    await registry.tag(hashes[call % 2] ?? "", "production", { force: true });
    const moved = performance.now();
    times.move.push(moved - start);
    times.seen.push(Math.max(0, (await seen) - moved));
    times.read.push(1000 * (await seconds(() => registry.resolve("production"))));
  }
  stop.abort();
  await watch.next().catch(() => undefined);
  return { read: median(times.read), move: median(times.move), seen: median(times.seen) };
}

function seenBy(whom: string, took: number, goal: string): Figure {
  return {
    name: `promotion, from its answer until it is seen by ${whom}, p50`,
    ours: `${took.toFixed(2)} ms`,
    peer: "",
    ratio: "",
    goal,
    met: goal === "" ? undefined : took <= SEEN_MS,
  };
}

/** Figures of registries on this host, in S3 and in MLflow. */
export async function tagLatency(
  { env, home }: BenchPlace,
  s3: { endpoint: string; bucket: string; env: NodeJS.ProcessEnv },
  mlflow: { url: string; host: string },
): Promise<Figure[]> {
  const peer = Alias.parse(
    lastJson(await python(join(import.meta.dirname, "python/mlflow_peer.py"), [mlflow.url, "alias"], env)),
  );
  const client = await connect({ env });
  const other = await connect({ env: { ...pipekitEnv(join(home, "other")), ...s3.env } });
  const figures: Figure[] = [];
  try {
    const places = {
      "local folder": `local:${join(home, "tags")}`,
      S3: s3Spec(s3.endpoint, s3.bucket),
      MLflow: `mlflow+http://${mlflow.host}/bench-tags`,
    };
    for (const [name, spec] of Object.entries(places)) {
      const { read, move, seen } = await latency(client, client, spec);
      const elsewhere = await latency(client, other, spec);
      const line = (what: string, took: number, theirs: number, peerName: string): Figure => ({
        name: `${what}, ${name}, p50`,
        ours: `${took.toFixed(2)} ms`,
        peer: `${peerName} ${theirs.toFixed(2)} ms`,
        ratio: `${(took / theirs).toFixed(2)}x`,
        goal: "",
        met: undefined,
      });
      figures.push(
        line("resolve a tag", read, peer.read, "get_model_version_by_alias"),
        line("promote (move a tag)", move, peer.move, "set_registered_model_alias"),
        seenBy(`a watcher of the same daemon, ${name}`, seen, `<= ${SEEN_MS} ms`),
        // S3 and MLflow tell nobody: another daemon looks every `poll_ms`, 1000 by default.
        seenBy(
          `a watcher of another daemon, ${name}`,
          elsewhere.seen,
          name === "local folder" ? `<= ${SEEN_MS} ms` : "",
        ),
      );
    }
  } finally {
    client.close();
    await other.shutdown().catch(() => undefined);
    other.close();
  }
  return figures;
}
