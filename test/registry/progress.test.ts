/** What a store tells, what it sends and does not send, and what it leaves when it is cancelled. */
import { readdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LoadResponse, StoreWithProgressResponse } from "@pipekit/proto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { clearModelCache } from "../../daemon/registry/index.ts";
import { collect, never, newModel, serve, storeText, streamOf } from "../contract/registry-harness.ts";
import { Heard, type RemoteFixture, remoteFixture } from "../support/remote-registry.ts";

const MIB = 1024 * 1024;
const TEXT = "weights ".repeat((3 * MIB) / 8);
const STREAM = { byPath: false, offset: 0 };

let fixture: RemoteFixture;
beforeEach(async () => {
  fixture = await remoteFixture();
});
afterEach(() => fixture.close());

const read = async (hash: string) =>
  (await collect((await fixture.registry.load(hash, STREAM, never)).weights)).toString();

test("a store tells what it receives and what it sends", async () => {
  const path = join(fixture.stagingFolder, "w");
  await writeFile(path, TEXT);
  const fromFile = new Heard();
  const file = { kind: "path", path, staged: false } as const;
  await fixture.registry.store(newModel({ weights: file }), never, fromFile.onProgress);
  expect(fromFile.phases).toEqual(["receiving", "sending"]);
  expect(fromFile.last).toMatchObject({ bytesTotal: TEXT.length });

  const fromStream = new Heard();
  const weights = streamOf("first", TEXT);
  await fixture.registry.store(newModel({ weights }), never, fromStream.onProgress);
  expect(fromStream.phases).toEqual(["receiving", "sending"]);

  const known = new Heard();
  await fixture.registry.store(newModel({ weights: streamOf(TEXT) }), never, known.onProgress);
  expect(known.phases).toEqual(["receiving"]);
  expect(known.last).toMatchObject({ bytesDone: TEXT.length, bytesTotal: 0 });
});

test("over gRPC both tell it to those who ask", async () => {
  const { server, client } = await serve(fixture.registries(), join(fixture.stagingFolder, "r.sock"));
  try {
    const stored = client.storeWithProgress();
    const header = { ...newModel(), weights: undefined, registry: "", hasWeights: true };
    const request = { ...header, weightsPath: "", weightsStaged: false, hashOnly: false };
    stored.write({ request: { part: { $case: "header", value: request } } });
    stored.write({ request: { part: { $case: "weightsChunk", value: Buffer.from(TEXT) } } });
    stored.write({ request: { part: { $case: "weightsEnd", value: { size: TEXT.length } } } });
    stored.end();
    const told = (await Array.fromAsync(stored)) as StoreWithProgressResponse[];
    expect(told.filter(({ part }) => part?.$case === "progress").length).toBeGreaterThan(0);
    const answer = told.at(-1)?.part;
    const ref = answer?.$case === "stored" ? (answer.value.model?.hash ?? "") : "";
    for (const progress of [true, false]) {
      await clearModelCache(fixture.cacheFolder, true);
      const load = client.load({ registry: "", ref, byPath: true, offset: 0, progress });
      const parts = ((await Array.fromAsync(load)) as LoadResponse[]).map(({ part }) => part?.$case);
      expect(parts.at(-1)).toBe("header");
      expect(parts.includes("progress")).toBe(progress);
    }
  } finally {
    client.close();
    server.forceShutdown();
  }
});

test("weights that another model has are copied there and not sent again", async () => {
  const { remote, registry } = fixture;
  await storeText(registry, TEXT);
  expect(remote.traffic.sent).toBe(TEXT.length);
  const second = await storeText(registry, TEXT, { datasetHash: "2" });
  expect(remote.traffic).toMatchObject({ sent: TEXT.length, calls: { copy: 1 } });
  expect(await read(second)).toBe(TEXT);
});

test("what cannot be copied is sent", async () => {
  const { remote, registry, root } = fixture;
  const first = await storeText(registry, TEXT);
  let sent = TEXT.length;
  const storeNext = async (datasetHash: string): Promise<string> => {
    remote.reset();
    const hash = await storeText(registry, TEXT, { datasetHash });
    sent = remote.traffic.sent;
    expect(await read(hash)).toBe(TEXT);
    return hash;
  };
  // The only model that has them is gone.
  await rm(join(root, first), { recursive: true });
  const second = await storeNext("2");
  expect(sent).toBe(TEXT.length);
  // Those that have them are damaged.
  for (const hash of [second]) await truncate(join(root, hash, "weights.bin"), 10);
  const third = await storeNext("3");
  expect(sent).toBe(TEXT.length);
  // The copy fails.
  await rm(join(root, second), { recursive: true });
  await rm(join(root, third, "weights.bin"));
  await writeFile(join(root, "blocked"), "");
  await rm(join(root, "_weights"), { recursive: true });
  await storeNext("4");
  expect(sent).toBe(TEXT.length);
  remote.copies = false;
  const without = await fixture.again();
  remote.reset();
  await storeText(without, TEXT, { datasetHash: "5" });
  expect(remote.traffic.sent).toBe(TEXT.length);
});

test("small weights are sent without a question", async () => {
  await storeText(fixture.registry, "small");
  await storeText(fixture.registry, "small", { datasetHash: "2" });
  expect(fixture.remote.traffic.calls).not.toHaveProperty("copy");
  expect(await readdir(fixture.root)).not.toContain("_weights");
});

test("a store that is cancelled while it sends leaves nothing", async () => {
  const { remote, registry, root } = fixture;
  const stop = new AbortController();
  remote.onChunk = (done) => done > 0 && stop.abort();
  const storing = registry.store(newModel({ weights: streamOf(TEXT), name: "production" }), stop.signal);
  await expect(storing).rejects.toThrow();
  expect(await readdir(join(root, "_tmp"))).toEqual([]);
  const { models } = await registry.list({ pageSize: 0, pageToken: "", metadataFilterJson: "" }, never);
  expect(models).toEqual([]);
  await expect(registry.resolve("production", never)).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  remote.onChunk = () => undefined;
  const hash = await storeText(registry, TEXT);
  expect(await read(hash)).toBe(TEXT);
});
