/** Models in S3 and in MLflow against what people use there: boto3, and MLflow's own client. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@pipekit/experiment";
import { z } from "zod";
import { lastJson, python } from "../e2e/demo/processes.ts";
import { type Figure, median } from "./report.ts";
import { GIB, seconds, writeWeights } from "./weights.ts";

const ROUNDS = 3;
/** MLflow's proxy is slow: a quarter of the bytes. */
const MLFLOW_BYTES = GIB / 4;
const HERE = join(import.meta.dirname, "python");

const Transfer = z.object({ up: z.number(), down: z.number() });
type Transfer = z.infer<typeof Transfer>;

/** Where the bench's folders are, and the environment of the daemon. */
export interface BenchPlace {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
}

/** A registry in a bucket of a server on this host. */
export function s3Spec(endpoint: string, bucket: string): string {
  return `s3://${bucket}/models/?endpoint=${encodeURIComponent(endpoint)}&path_style=true&region=us-east-1`;
}

/** 1 GiB to a real S3 server and back, verified, against boto3's transfers. */
export async function s3Models(place: BenchPlace, endpoint: string, bucket: string): Promise<Figure[]> {
  const peer = (mode: string) => (weights: string) =>
    transferBy("s3_peer.py", [endpoint, bucket, weights, mode], place.env);
  const took = await rounds(place, s3Spec(endpoint, bucket), GIB, {
    "boto3 default": peer("default"),
    "boto3 tuned": peer("tuned"),
  });
  return figures("S3", "1 GiB", took, "at least boto3's best");
}

/** 256 MiB to a real MLflow server and back, verified, against its own client. */
export async function mlflowModels(place: BenchPlace, url: string, host: string): Promise<Figure[]> {
  const took = await rounds(place, `mlflow+http://${host}/bench`, MLFLOW_BYTES, {
    "mlflow client": (weights) => transferBy("mlflow_peer.py", [url, "artifact", weights], place.env),
  });
  return figures("MLflow", "256 MiB", took);
}

async function transferBy(script: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  return Transfer.parse(lastJson(await python(join(HERE, script), args, env)));
}

/** Medians of who took how long, ours among them; everybody moves the same fresh file in each round. */
async function rounds(
  place: BenchPlace,
  spec: string,
  bytes: number,
  peers: Record<string, (weights: string) => Promise<Transfer>>,
): Promise<Map<string, Transfer>> {
  const folder = mkdtempSync(join(place.home, "weights-"));
  const weights = join(folder, "weights.bin");
  const all: Record<string, (weights: string) => Promise<Transfer>> = {
    ours: () => ours(place, spec, weights),
    ...peers,
  };
  const took = new Map(Object.keys(all).map((who) => [who, [] as Transfer[]]));
  try {
    for (let round = 0; round < ROUNDS; round++) {
      writeWeights(weights, bytes);
      for (const [who, transfer] of Object.entries(all)) took.get(who)?.push(await transfer(weights));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return new Map(
    [...took].map(([who, times]) => [
      who,
      { up: median(times.map(({ up }) => up)), down: median(times.map(({ down }) => down)) },
    ]),
  );
}

async function ours({ env, home }: BenchPlace, spec: string, weights: string): Promise<Transfer> {
  const client = await connect({ env });
  try {
    const registry = client.registry(spec);
    const operator = { module: "bench", class: "Raw", config: {} };
    let hash = "";
    const up = await seconds(async () => {
      hash = (await registry.store({ operator, weights })).model.hash;
    });
    // What is measured is the way from the server, not the cache.
    rmSync(join(home, "state/cache/weights"), { recursive: true, force: true });
    const down = await seconds(() => registry.load(hash));
    return { up, down };
  } finally {
    client.close();
  }
}

function figures(where: string, size: string, took: Map<string, Transfer>, goal = ""): Figure[] {
  const mine = took.get("ours") ?? { up: Number.NaN, down: Number.NaN };
  const peers = [...took].filter(([who]) => who !== "ours");
  return (["up", "down"] as const).map((way) => {
    const best = Math.min(...peers.map(([, times]) => times[way]));
    return {
      name: way === "up" ? `store ${size} in ${where}` : `load ${size} from ${where}, verified, cold`,
      ours: `${mine[way].toFixed(2)} s`,
      peer: peers.map(([who, times]) => `${who} ${times[way].toFixed(2)} s`).join(", "),
      ratio: `${(mine[way] / best).toFixed(2)}x`,
      goal,
      met: goal === "" ? undefined : mine[way] <= best,
    };
  });
}
