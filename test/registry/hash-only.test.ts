/** The hash that a model would have: as a store tells it, and without a trace of it in the registry. */
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "@pipekit/experiment";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  inProcess,
  never,
  newModel,
  overGrpc,
  type RegistryFixture,
  streamOf,
} from "../contract/registry-harness.ts";
import { startDaemon } from "../support/daemon.ts";

describe.each([
  ["in process", inProcess],
  ["over gRPC", overGrpc],
])("%s", (_, make) => {
  let fixture: RegistryFixture;
  beforeEach(async () => {
    fixture = await make();
  });
  afterEach(() => fixture.close());

  const filesOf = (folder: string) => readdir(folder, { recursive: true }).catch(() => []);

  test("it is the hash of the stored model, and nothing is stored", async () => {
    const { registry, root } = fixture;
    const before = await filesOf(root);
    const parts = { trainingConfigJson: '{"lr":0.1}', datasetHash: "d", name: "prod" };
    const told = await registry.hash(newModel({ ...parts, weights: streamOf("ab", "c") }), never);
    expect(told).toMatchObject({ created: true, move: undefined });
    expect(await filesOf(root)).toEqual(before);
    const stored = await registry.store(newModel({ ...parts, weights: streamOf("abc") }), never);
    expect(told.model).toEqual({ ...stored.model, createdAtUs: told.model.createdAtUs });
    const again = await registry.hash(newModel({ ...parts, weights: streamOf("abc") }), never);
    expect(again).toMatchObject({ created: false, move: undefined, model: { hash: stored.model.hash } });
    expect((await registry.resolve("prod", never)).move?.seq).toBe(1);
  });

  test("weights are read from a file, taken when it is staged, or absent", async () => {
    const { registry, scratch, staging } = fixture;
    const [own, staged] = [join(scratch, "w"), join(staging, "w")];
    await Promise.all([own, staged].map((path) => writeFile(path, "abc")));
    const hashOf = async (weights: ReturnType<typeof newModel>["weights"]) =>
      (await registry.hash(newModel({ weights }), never)).model.hash;
    const streamed = await hashOf(streamOf("abc"));
    expect(await hashOf({ kind: "path", path: own, staged: false })).toBe(streamed);
    expect(await hashOf({ kind: "path", path: staged, staged: true })).toBe(streamed);
    expect([await readdir(scratch), await readdir(staging)]).toEqual([expect.arrayContaining(["w"]), []]);
    expect(await hashOf(undefined)).not.toBe(await hashOf(streamOf("")));
    const none = join(scratch, "none");
    await expect(hashOf({ kind: "path", path: none, staged: false })).rejects.toMatchObject({
      code: "ARTIFACT_UNREADABLE",
      field: none,
    });
  });

  test("a name that is taken and a damaged model are no hindrance, a wrong document is", async () => {
    const { registry, root } = fixture;
    await registry.store(newModel({ name: "prod", weights: streamOf("first") }), never);
    const model = () => newModel({ name: "prod", weights: streamOf("second") });
    const { hash } = (await registry.hash(model(), never)).model;
    await registry.store({ ...model(), force: true }, never);
    await writeFile(join(root, hash, "metadata.json"), "{");
    expect(await registry.hash(model(), never)).toMatchObject({ created: true, model: { hash } });
    await expect(registry.hash(newModel({ operatorJson: "{}" }), never)).rejects.toMatchObject({
      code: "NOT_AN_OPERATOR",
    });
  });
});

test("the TypeScript client tells it of bytes, a stream and a file", async () => {
  const daemon = await startDaemon();
  const client = await connect({ env: daemon.clientEnv });
  try {
    const registry = client.registry();
    const operator = { module: "m", class: "C", config: {} };
    const path = join(daemon.home, "w");
    await writeFile(path, "abc");
    const bytes = await registry.hash({ operator, weights: Buffer.from("abc") });
    expect(bytes).toEqual({ hash: expect.stringMatching(/^[0-9a-f]{64}$/), stored: false });
    const stream = (async function* () {
      yield Buffer.from("abc");
    })();
    expect(await registry.hash({ operator, weights: stream })).toEqual(bytes);
    let told = 0;
    const onProgress = () => {
      told += 1;
    };
    expect(await registry.hash({ operator, weights: path, onProgress })).toEqual(bytes);
    expect(told).toBeGreaterThan(0);
    expect(await Array.fromAsync(registry.list())).toEqual([]);
    expect((await registry.store({ operator, weights: path })).model.hash).toBe(bytes.hash);
    expect(await registry.hash({ operator, weights: path })).toEqual({ ...bytes, stored: true });
  } finally {
    client.close();
    await daemon.stop();
  }
});
