/** 100,000 models in one registry: listing them and planning a collection; time, and what the daemon's memory grows by. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@pipekit/experiment";
import { canonicalText, type JsonObject } from "../../daemon/content/index.ts";
import { manifestText, sha256 } from "../../daemon/registry/manifest.ts";
import { encodeMetadata } from "../../daemon/registry/metadata.ts";
import { yamlText } from "../../daemon/registry/yaml.ts";
import { residentBytes } from "./machine.ts";
import type { BenchPlace } from "./remote-models.ts";
import type { Figure } from "./report.ts";
import { seconds } from "./weights.ts";

const MODELS = 100_000;

/** Bytes of a model without weights, as the daemon would have stored it. */
function model(number: number): { hash: string; metadata: Buffer; operator: Buffer } {
  const state: JsonObject = new Map<string, JsonObject | string>([
    ["module", "bench"],
    ["class", "Many"],
    ["config", new Map([["number", String(number)]])],
  ]);
  const operator = Buffer.from(yamlText(state));
  const manifest = manifestText({
    operator: canonicalText(state),
    trainingConfig: undefined,
    datasetHash: "",
    weights: undefined,
  });
  const hash = sha256(manifest);
  const metadata = encodeMetadata({
    hash,
    manifest,
    createdAtMs: Date.now(),
    runId: "",
    weightsFormat: "",
    operatorYaml: { sha256: sha256(operator), size: operator.length },
    preview: undefined,
    weights: undefined,
    free: new Map(),
    trainingConfig: undefined,
    datasetHash: "",
    operator: state,
  });
  return { hash, metadata, operator };
}

/** Puts models without weights into the folder of a local registry; returns their hashes. */
export function writeModels(root: string, count: number): string[] {
  return Array.from({ length: count }, (_, number) => {
    const { hash, metadata, operator } = model(number);
    mkdirSync(join(root, hash), { recursive: true });
    writeFileSync(join(root, hash, "operator.yaml"), operator);
    writeFileSync(join(root, hash, "metadata.json"), metadata);
    return hash;
  });
}

/** Figures of a local registry with 100,000 models without weights. */
export async function manyModels({ env, home }: BenchPlace, daemonPid: number): Promise<Figure[]> {
  const root = mkdtempSync(join(home, "many-"));
  writeModels(root, MODELS);
  const client = await connect({ env });
  const registry = client.registry(`local:${root}`);
  const grown = async (work: () => Promise<number>) => {
    const before = residentBytes(daemonPid);
    let peak = before;
    const timer = setInterval(() => {
      peak = Math.max(peak, residentBytes(daemonPid));
    }, 50);
    let count = 0;
    const took = await seconds(async () => {
      count = await work();
    });
    clearInterval(timer);
    if (count !== MODELS) throw new Error(`${count} of ${MODELS} models were seen.`);
    return `${took.toFixed(1)} s, daemon +${((peak - before) / 2 ** 20).toFixed(0)} MiB`;
  };
  try {
    const list = await grown(async () => {
      let count = 0;
      for await (const _ of registry.list()) count++;
      return count;
    });
    const plan = await grown(async () => {
      let models = 0;
      for await (const part of registry.gc({ policy: { minAgeMs: 0 } })) {
        if (part.$case === "summary") models = part.value.models;
      }
      return models;
    });
    const figure = (name: string, ours: string): Figure => ({
      name,
      ours,
      peer: "",
      ratio: "",
      goal: "",
      met: undefined,
    });
    return [
      figure("list 100,000 models", list),
      figure("plan a collection of 100,000 models (dry run)", plan),
    ];
  } finally {
    client.close();
    rmSync(root, { recursive: true });
  }
}
