/** The cache before a real S3 server, also when that is gone. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { s3Registry } from "@pipekit/adapters/s3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRegistries, type Registry } from "../../daemon/registry/index.ts";
import {
  collect,
  never,
  newModel,
  sha256,
  silent,
  storeText,
  streamOf,
} from "../contract/registry-harness.ts";
import { Heard } from "../support/remote-registry.ts";
import { type S3Server, startSeaweed } from "../support/seaweed.ts";

const BY_PATH = { byPath: true, offset: 0 };
/** More than one part and one range. */
const TEXT = Buffer.alloc(40 * 1024 * 1024, "weights of some length ").toString();

let server: S3Server;
let folder: string;
beforeAll(async () => {
  server = await startSeaweed();
  folder = await mkdtemp(join(tmpdir(), "pkx-cache-s3-"));
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

function daemonOn(spec: string): Promise<Registry> {
  return createRegistries({
    kinds: [s3Registry],
    defaultSpec: spec,
    stagingFolder: folder,
    cacheFolder: join(folder, "cache"),
    env: server.env(),
    log: silent,
  }).open("");
}

test("weights are sent once, fetched once, and are here when the server is gone", {
  timeout: 120_000,
}, async () => {
  const spec = server.newSpec("");
  const registry = await daemonOn(spec);
  const hash = await storeText(registry, TEXT, { name: "production" });
  const copying = new Heard();
  const second = newModel({ datasetHash: "other", weights: streamOf(TEXT) });
  const { model } = await registry.store(second, never, copying.onProgress);
  expect(copying.phases).toEqual(["receiving"]);

  const heard = new Heard();
  const start = performance.now();
  const { weightsPath } = await registry.load("production", BY_PATH, never, heard.onProgress);
  const fetched = performance.now();
  expect(heard.phases).toEqual(["fetching", "checking"]);
  expect(sha256(await readFile(weightsPath))).toBe(sha256(TEXT));
  // The other model was copied within the server; its weights are the same file here.
  const other = new Heard();
  const loaded = await registry.load(model.hash, BY_PATH, never, other.onProgress);
  expect(loaded.weightsPath).toBe(weightsPath);
  expect(other.phases).toEqual([]);
  for await (const { problems } of registry.verify([], never)) expect(problems).toEqual([]);

  await server.stop();
  const again = await daemonOn(spec);
  const before = performance.now();
  const kept = await again.load(hash, BY_PATH, never);
  const took = performance.now() - before;
  expect(kept.weightsPath).toBe(weightsPath);
  const streamed = await again.load(model.hash, { byPath: false, offset: 10 }, never);
  expect(await collect(streamed.weights)).toHaveLength(TEXT.length - 10);
  console.log(`40 MiB: fetched in ${(fetched - start).toFixed(0)} ms, again in ${took.toFixed(1)} ms`);
  await expect(again.load("production", BY_PATH, never)).rejects.toMatchObject({
    code: "REGISTRY_UNAVAILABLE",
    mend: expect.stringContaining("full hash"),
  });
  expect(await again.resolve(hash, never)).toMatchObject({ hash });
});
