/** What the tests of MLflow registries share. */
import { createHash, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mlflowRegistryWith } from "@pipekit/adapters/mlflow";
import type { PendingBlob, RegistryBackend } from "@pipekit/adapters/registry";
import { startFakeHttp } from "../support/fake-http.ts";
import { type MlflowServer, startMlflowServer } from "../support/mlflow-server.ts";

export const never = new AbortController().signal;

export const sha256 = (content: string | Buffer): string =>
  createHash("sha256").update(content).digest("hex");

/** Impatient, so that a test of a server that is away takes no minute. */
export const quick = mlflowRegistryWith({
  patience: { attempts: 3, firstPauseMs: 5, longestPauseMs: 100 },
  timeouts: { call: 1500, upload: 3000 },
});

/** A real server, and a network before it that may be bad. */
export async function startWorld() {
  const server: MlflowServer = await startMlflowServer();
  const network = await startFakeHttp(server.url);
  const scratch = mkdtempSync(join(tmpdir(), "pkx-mlflow-registry-"));
  return {
    server,
    network,
    scratch,
    /** Spec of a registry that is not there yet. */
    freshSpec: (query = "") => `mlflow://${network.host}/r-${randomUUID()}${query}`,
    open: (spec: string, env: NodeJS.ProcessEnv = {}): Promise<RegistryBackend> =>
      quick.open(spec, { scratch, env: { HOME: "/nonexistent", ...env } }),
    close: async () => {
      await network.close();
      await server.stop();
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

export type World = Awaited<ReturnType<typeof startWorld>>;

/** The registered model that a spec names. */
export const nameIn = (spec: string): string => /\/([^/?]+)(?:\?|$)/.exec(spec)?.[1] ?? "";

/** Metadata as far as MLflow shows it, and the hash that it is kept under. */
export function metadataOf(seed: string, more: object = {}): { hash: string; bytes: Buffer } {
  const hash = sha256(seed);
  const document = {
    format: "pipekit-metadata",
    hash,
    created_at: "2026-01-02T03:04:05.000Z",
    run_id: "",
    weights_format: "safetensors",
    files: { "weights.bin": { sha256: sha256(`w ${seed}`), size: Buffer.byteLength(`w ${seed}`) } },
    metadata: { accuracy: 0.9 },
    dataset_hash: "data-1",
    training_config: null,
    operator: { module: "pkg.models", class: "Net", config: {} },
    ...more,
  };
  return { hash, bytes: Buffer.from(JSON.stringify(document)) };
}

export async function receiveText(backend: RegistryBackend, text: string | Buffer): Promise<PendingBlob> {
  const chunks = async function* () {
    yield Buffer.from(text);
  };
  return backend.receive({ kind: "stream", chunks: chunks() }, never);
}

/** Stores what a registry would: weights first, metadata.json last. */
export async function storeModel(backend: RegistryBackend, seed: string, more: object = {}): Promise<string> {
  const { hash, bytes } = metadataOf(seed, more);
  const blob = await receiveText(backend, `w ${seed}`);
  await blob.publish(`${hash}/weights.bin`, never);
  await blob.discard();
  await backend.create(`${hash}/operator.yaml`, Buffer.from("module: pkg.models\n"), never);
  await backend.create(`${hash}/metadata.json`, bytes, never);
  return hash;
}

/** Bytes of a tag as the registry writes them. */
export const tagBytes = (hash: string, seq: number): Buffer =>
  Buffer.from(`${hash}\nseq: ${seq}\nprev: \nactor: me\nnonce: ${randomUUID()}\nreason: \n`);

export async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(chunks));
}
