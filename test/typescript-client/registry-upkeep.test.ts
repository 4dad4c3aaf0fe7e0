/** Deletion and rollback of tags, pins, collections, copies and progress, against the fake daemon. */
import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import { Readable } from "node:stream";
import { type Client, connect, type Registry } from "@pipekit/experiment";
import type { CopyEvent, GcResponse } from "@pipekit/proto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeDaemon } from "../support/fake-daemon.ts";

const MIB = 1024 * 1024;
const OPERATOR = { module: "nets", class: "Digits", config: { width: 32 } };

let daemon: FakeDaemon;
let client: Client;
let registry: Registry;

beforeEach(async () => {
  daemon = await new FakeDaemon().start();
  client = await connect({ endpoint: daemon.endpoint });
  registry = client.registry("local:/srv/models");
});

afterEach(() => {
  client.close();
  daemon.remove();
});

test("a store tells its progress, from bytes and from a stream", async () => {
  const weights = randomBytes(3 * MIB + 5);
  const told: [number, number, string][] = [];
  const onProgress = (...progress: [number, number, string]) => told.push(progress);
  const first = await registry.store({ operator: OPERATOR, weights, name: "candidate", onProgress });
  expect([first.created, first.move?.seq]).toEqual([true, 1]);
  expect(told.at(-1)).toEqual([weights.length, 0, "receiving"]);
  told.length = 0;
  const chunks = Readable.from([weights.subarray(0, 7), weights.subarray(7)]);
  const second = await registry.store({ operator: OPERATOR, weights: chunks, onProgress });
  expect([second.created, second.model.hash]).toEqual([false, first.model.hash]);
  expect(told.at(-1)).toEqual([weights.length, 0, "receiving"]);
});

test("a source that fails, and an abort, end a store that tells its progress", async () => {
  async function* broken() {
    yield Buffer.alloc(10);
    throw new Error("the source broke");
  }
  const onProgress = () => undefined;
  await expect(registry.store({ operator: OPERATOR, weights: broken(), onProgress })).rejects.toThrow(
    "the source broke",
  );
  const abort = new AbortController();
  async function* endless() {
    yield Buffer.alloc(10);
    await new Promise(() => undefined);
  }
  const storing = registry.store({
    operator: OPERATOR,
    weights: endless(),
    signal: abort.signal,
    onProgress: () => abort.abort(new Error("enough")),
  });
  await expect(storing).rejects.toThrow("enough");
  expect(daemon.registry.models.size).toBe(0);
});

test("a load passes the daemon's progress on before its own, and asks for it only when someone looks", async () => {
  const { hash } = daemon.registry.addModel(randomBytes(2 * MIB));
  const phases: string[] = [];
  await registry.loadWeights(hash, { onProgress: (_done, _total, phase) => phases.push(phase) });
  expect(phases).toEqual(["fetching", "loading", "loading"]);
  phases.length = 0;
  await registry.load(hash, { onProgress: (_done, _total, phase) => phases.push(phase) });
  expect(phases).toEqual(["fetching"]);
  expect(await registry.loadWeights(hash)).toHaveLength(2 * MIB);
});

test("tags are rolled back, deleted and listed, and a watch sees the deletion", async () => {
  const a = daemon.registry.addModel(Buffer.from("a")).hash;
  const b = daemon.registry.addModel(Buffer.from("b")).hash;
  const seen: string[] = [];
  for (const hash of [a, b]) await registry.tag(hash, "production", { force: true });
  expect(await registry.rollback("production", { reason: "worse" })).toMatchObject({ seq: 3, hash: a });
  await registry.tag(b, "staging");
  const names = async () => (await Array.fromAsync(registry.tags())).map(({ name }) => name);
  expect(await names()).toEqual(["production", "staging"]);
  expect(await registry.deleteTag("production")).toMatchObject({ seq: 4, hash: "", previousHash: a });
  expect(await names()).toEqual(["staging"]);
  await expect(registry.resolve("production")).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  for await (const { hash } of registry.watchTag("production", { afterSeq: 2 })) {
    if (seen.push(hash) === 2) await registry.tag(b, "production");
    if (seen.length === 3) break;
  }
  expect(seen).toEqual([a, "", b]);
});

test("a rollback whose answer was lost is not made twice", async () => {
  const a = daemon.registry.addModel(Buffer.from("a")).hash;
  for (const hash of [a, "b", "c", "d"]) daemon.registry.move("production", hash);
  const { tags } = daemon.registry;
  const move = tags.move.bind(tags);
  tags.move = (name, hash) => {
    move(name, hash);
    daemon.stop();
    throw new Error("killed before the answer");
  };
  const rolling = registry.rollback("production");
  await expect(rolling).rejects.toMatchObject({ code: "DAEMON_UNAVAILABLE" });
  await daemon.start();
  expect(daemon.registry.moves.get("production")).toHaveLength(5);
  tags.move = move;
  expect(await registry.rollback("production", { steps: 2 })).toMatchObject({ seq: 6, hash: "c" });
});

test("a daemon that has gone before a rollback is found again", async () => {
  const a = daemon.registry.addModel(Buffer.from("a")).hash;
  for (const hash of [a, "b"]) daemon.registry.move("production", hash);
  daemon.stop();
  await daemon.start();
  expect(await registry.rollback("production")).toMatchObject({ seq: 3, hash: a });
});

test("models are pinned, listed and unpinned", async () => {
  const { hash } = daemon.registry.addModel(Buffer.from("a"));
  expect(await registry.pin(hash.slice(0, 8), { reason: "audit", actor: "me" })).toMatchObject({
    hash,
    reason: "audit",
    actor: "me",
  });
  expect((await registry.pins()).map((pin) => pin.hash)).toEqual([hash]);
  expect([await registry.unpin(hash), await registry.unpin(hash)]).toEqual([true, false]);
});

test.each([
  ["policy.keepLast", { keepLast: 1e20 }],
  ["policy.keepLast", { keepLast: 1.5 }],
  ["policy.minAgeMs", { minAgeMs: Number.POSITIVE_INFINITY }],
  ["policy.keepMoves", { keepMoves: Number.NaN }],
  ["policy.keepMovedMs", { keepMovedMs: 1e17 }],
])("a number that no message can carry is refused by name: %s", async (field, policy) => {
  const collecting = Array.fromAsync(registry.gc({ policy }));
  await expect(collecting).rejects.toMatchObject({ code: "INVALID_ARGUMENT", field });
  const back = registry.rollback("prod", { steps: 2 ** 60 });
  await expect(back).rejects.toMatchObject({ code: "INVALID_ARGUMENT", field: "steps" });
});

test("a collection takes a policy in milliseconds and tells entries, progress and a summary", async () => {
  const summary = { models: 3, kept: { tagged: 2 }, candidates: 1, candidateBytes: 9, deleted: 0 };
  const rest = { deletedBytes: 0, litter: 0, litterBytes: 0, dryRun: true };
  const entry = { hash: "ab", bytes: 9, storedAtUs: 1, deleted: false, keptBecause: "", remains: false };
  const parts: NonNullable<GcResponse["part"]>[] = [
    { $case: "entry", value: entry },
    { $case: "summary", value: { ...summary, ...rest } },
  ];
  daemon.registry.upkeep.collected = parts.map((part) => ({ part }));
  const policy = { keepLast: 5, minAgeMs: 0, keepMovedMs: 1.5, keepMetadata: [{ team: "a" }] };
  expect(await Array.fromAsync(registry.gc({ policy, apply: true, actor: "me" }))).toEqual(parts);
  await Array.fromAsync(registry.gc());
  const request = { registry: "local:/srv/models", actor: "me", apply: true };
  expect(daemon.registry.upkeep.asked).toEqual([
    {
      ...request,
      policy: {
        keepLast: 5,
        minAgeUs: 0,
        keepMoves: undefined,
        keepMovedUs: 1500,
        keepMetadataJson: ['{"team":"a"}'],
      },
    },
    expect.objectContaining({
      apply: false,
      policy: expect.objectContaining({ keepLast: 0, minAgeUs: undefined, keepMovedUs: undefined }),
    }),
  ]);
});

test("copies, exports and imports pass on what is told; paths are made absolute", async () => {
  const part: NonNullable<CopyEvent["part"]> = {
    $case: "model",
    value: { hash: "ab", created: true, bytes: 3 },
  };
  const { upkeep } = daemon.registry;
  upkeep.copied = [{ part }];
  expect(await Array.fromAsync(registry.copyTo("s3://b/m/", { refs: ["production"], force: true }))).toEqual([
    part,
  ]);
  expect(await Array.fromAsync(registry.exportTo("models.tar", { overwrite: true }))).toEqual([part]);
  expect(await Array.fromAsync(registry.importFrom(join("..", "models.tar"), { actor: "me" }))).toEqual([
    part,
  ]);
  expect(upkeep.asked).toMatchObject([
    { target: "s3://b/m/", refs: ["production"], force: true, withoutTags: false },
    { path: resolve("models.tar"), refs: [], overwrite: true },
    { path: resolve("..", "models.tar"), actor: "me", force: false },
  ]);
});

test("diff, verify and describe", async () => {
  const { upkeep } = daemon.registry;
  const entries = [{ document: "operator", path: "config.width", aJson: "32", bJson: "64" }];
  const difference = { hashA: "a", hashB: "b", entries, tensors: [], tensorsCompared: false };
  upkeep.difference = { ...difference, sameWeights: true, sameTensors: 0 };
  expect(await registry.diff("production~1", "production")).toEqual(upkeep.difference);
  await Array.fromAsync(registry.verify(["production"], { quick: true }));
  expect(upkeep.asked).toMatchObject([
    { refA: "production~1", refB: "production" },
    { refs: ["production"], quick: true },
  ]);
  expect(await registry.describe()).toEqual({ spec: "local:/srv/models", atomic: true });
});
