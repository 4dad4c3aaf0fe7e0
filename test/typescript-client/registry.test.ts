import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type Client, connect, PipekitError, type Registry, type TagMove } from "@pipekit/experiment";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeDaemon } from "../support/fake-daemon.ts";

const MIB = 1024 * 1024;
const OPERATOR = { module: "nets", class: "Digits", config: { width: 32 } };

let daemon: FakeDaemon;
let client: Client;
let registry: Registry;
let folder: string;

beforeEach(async () => {
  daemon = await new FakeDaemon().start();
  client = await connect({ endpoint: daemon.endpoint });
  registry = client.registry();
  folder = mkdtempSync(join(tmpdir(), "pkx-load-"));
});

afterEach(() => {
  client.close();
  daemon.remove();
  rmSync(folder, { recursive: true, force: true });
});

test("weights come from bytes, from a stream and from a file, and the model is the same", async () => {
  const weights = randomBytes(2 * MIB + 17);
  const file = join(folder, "w.bin");
  writeFileSync(file, weights);
  const first = await registry.store({ operator: OPERATOR, weights });
  const second = await registry.store({
    operator: OPERATOR,
    weights: Readable.from([weights.subarray(0, 5), weights.subarray(5)]),
  });
  const third = await registry.store({
    operator: OPERATOR,
    weights: file,
    name: "candidate",
    metadata: { by: "test" },
  });
  expect(first.created).toBe(true);
  expect([second.created, third.created]).toEqual([false, false]);
  expect(new Set([first, second, third].map((stored) => stored.model.hash)).size).toBe(1);
  expect(first.model.weightsSha256).toBe(createHash("sha256").update(weights).digest("hex"));
  expect(third.move).toMatchObject({ name: "candidate", seq: 1 });
  expect(await registry.resolve("candidate")).toBe(first.model.hash);
});

test("a stream of weights that fails fails the store with its own error", async () => {
  async function* broken() {
    yield Buffer.alloc(10);
    throw new Error("the source broke");
  }
  await expect(registry.store({ operator: OPERATOR, weights: broken() })).rejects.toThrow("the source broke");
  expect(daemon.registry.models.size).toBe(0);
});

test("load writes a verified file and tells how far it is", async () => {
  const weights = randomBytes(3 * MIB + 1);
  const model = daemon.registry.addModel(weights);
  const progress: number[] = [];
  const loaded = await registry.load(model.hash, {
    toFile: join(folder, "w"),
    onProgress: (done, total, phase) => phase === "loading" && progress.push(done / total),
  });
  expect(readFileSync(loaded.path).equals(weights)).toBe(true);
  expect(progress).toHaveLength(4);
  expect(progress.at(-1)).toBe(1);
  expect(readdirSync(folder)).toEqual(["w"]);
  expect((await registry.loadWeights(model.hash)).equals(weights)).toBe(true);
  expect((await registry.load(model.hash)).path).toBe(join(daemon.folder, "weights.bin"));
});

test.each([
  ["changed", (chunk: Buffer) => Buffer.from(chunk).fill(0, 0, 1), /have the SHA-256/],
  [
    "cut short",
    (chunk: Buffer, at: number) => (at === 0 ? chunk : undefined),
    /are 1048576 bytes instead of 3145728/,
  ],
  ["too long", (chunk: Buffer) => Buffer.concat([chunk, chunk]), /bytes instead of/],
])("weights that are %s on the way leave no file", async (_, tamper, message) => {
  const model = daemon.registry.addModel(Buffer.alloc(3 * MIB, 7));
  daemon.registry.tamper = tamper;
  const toFile = join(folder, "w");
  await expect(registry.load(model.hash, { toFile })).rejects.toMatchObject({
    code: "CORRUPT_MODEL",
    message: expect.stringMatching(message),
  });
  await expect(registry.loadWeights(model.hash)).rejects.toMatchObject({ code: "CORRUPT_MODEL" });
  expect(readdirSync(folder)).toEqual([]);
});

test("an abort leaves no file and keeps what was there before", async () => {
  const model = daemon.registry.addModel(randomBytes(8 * MIB));
  const toFile = join(folder, "w");
  writeFileSync(toFile, "before");
  const abort = new AbortController();
  const loading = registry.load(model.hash, {
    toFile,
    signal: abort.signal,
    onProgress: () => abort.abort(new Error("enough")),
  });
  await expect(loading).rejects.toThrow("enough");
  expect(readdirSync(folder)).toEqual(["w"]);
  expect(readFileSync(toFile, "utf8")).toBe("before");
});

test("a load goes on where it was when the daemon restarts", async () => {
  const weights = randomBytes(6 * MIB);
  const model = daemon.registry.addModel(weights);
  const offsets: number[] = [];
  let broken = false;
  daemon.registry.tamper = (chunk, offset) => {
    offsets.push(offset);
    if (offset === 3 * MIB && !broken) {
      broken = true;
      throw new PipekitError("DAEMON_UNAVAILABLE", "The daemon is shutting down.");
    }
    return chunk;
  };
  const loading = registry.load(model.hash, { toFile: join(folder, "w") });
  await vi.waitFor(() => expect(broken).toBe(true));
  const { path } = await loading;
  expect(readFileSync(path).equals(weights)).toBe(true);
  expect(offsets.filter((offset) => offset === 0)).toHaveLength(1);
});

test("a model without weights, and one that is not there, are typed failures", async () => {
  const model = daemon.registry.addModel(Buffer.alloc(0), { hasWeights: false });
  const toFile = join(folder, "w");
  await expect(registry.load(model.hash, { toFile })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(registry.load("nothing", { toFile })).rejects.toMatchObject({
    code: "REF_NOT_FOUND",
    field: "nothing",
  });
  await expect(registry.resolve("nothing")).rejects.toBeInstanceOf(PipekitError);
  expect(existsSync(toFile)).toBe(false);
});

test("tags are moved, refused, listed with their history", async () => {
  const a = daemon.registry.addModel(Buffer.from("a")).hash;
  const b = daemon.registry.addModel(Buffer.from("b")).hash;
  expect(await registry.tag(a, "production")).toMatchObject({ seq: 1, hash: a });
  await expect(registry.tag(b, "production")).rejects.toMatchObject({ code: "TAG_EXISTS" });
  await expect(registry.tag(b, "production", { expectedHash: b })).rejects.toMatchObject({
    code: "TAG_CONFLICT",
  });
  await registry.tag(b, "production", { force: true, expectedHash: a });
  const history = await Array.fromAsync(registry.history("production"));
  expect(history.map((move) => move.hash)).toEqual([b, a]);
  const models = await Array.fromAsync(registry.list());
  expect(models.find((model) => model.hash === b)?.tags).toEqual(["production"]);
  expect(await Array.fromAsync(registry.verify())).toHaveLength(2);
});

test("watchTag goes on over a restart without a gap or a repeat", async () => {
  const abort = new AbortController();
  daemon.registry.move("production", "h1");
  daemon.registry.move("production", "h2");
  const seen: TagMove[] = [];
  const watching = (async () => {
    for await (const move of registry.watchTag("production", { signal: abort.signal })) seen.push(move);
  })();
  const reached = (count: number) =>
    vi.waitFor(() => expect(seen).toHaveLength(count), { timeout: 10_000, interval: 10 });
  await reached(1);
  daemon.registry.move("production", "h3");
  await reached(2);
  daemon.stop();
  daemon.registry.move("production", "h4");
  daemon.registry.move("production", "h5");
  await daemon.start();
  await reached(4);
  daemon.registry.move("production", "h6");
  await reached(5);
  expect(seen.map((move) => move.seq)).toEqual([2, 3, 4, 5, 6]);
  abort.abort(new Error("enough"));
  await expect(watching).rejects.toThrow("enough");
});

test("a watch that had a move waits for a registry's server that is away; one that had none is told", async () => {
  const away = () => new PipekitError("REGISTRY_UNAVAILABLE", "The server does not answer.");
  daemon.registry.move("production", "h1");
  daemon.registry.tags.watchFaults.push(away());
  await expect(registry.watchTag("production").next()).rejects.toMatchObject({
    code: "REGISTRY_UNAVAILABLE",
  });
  daemon.registry.tags.watchFaults.push(away(), away());
  daemon.registry.move("production", "h2");
  for await (const move of registry.watchTag("production", { afterSeq: 1 })) {
    expect(move.hash).toBe("h2");
    break;
  }
  expect(daemon.registry.tags.watchFaults).toEqual([]);
});

test("leaving a watch cancels it, and closing the client ends one that waits", async () => {
  daemon.registry.move("production", "h1");
  for await (const move of registry.watchTag("production")) {
    expect(move.hash).toBe("h1");
    break;
  }
  daemon.stop();
  const waiting = registry.watchTag("production").next();
  client.close();
  await expect(waiting).rejects.toMatchObject({ code: "DAEMON_UNAVAILABLE" });
});
