/** Weights of registries elsewhere are fetched once, kept, and never handed out wrong. */
import { chmod, open, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { collect, move, never, sha256, storeText } from "../contract/registry-harness.ts";
import { Heard, type RemoteFixture, remoteFixture } from "../support/remote-registry.ts";

const SIZE = 3 * 1024 * 1024;
const TEXT = "weights ".repeat(SIZE / 8);
const BY_PATH = { byPath: true, offset: 0 };
const STREAM = { byPath: false, offset: 0 };

let fixture: RemoteFixture;
let hash: string;

beforeEach(async () => {
  fixture = await remoteFixture();
  hash = await storeText(fixture.registry, TEXT, { name: "production", previewJson: "[1]" });
  fixture.remote.reset();
});
afterEach(async () => {
  vi.useRealTimers();
  await fixture.close();
});

const failure = (code: string) => expect.objectContaining({ name: "PipekitError", code });

/** Changes one byte and puts the time of writing back. */
async function flip(path: string): Promise<void> {
  const { atime, mtime, mode } = await stat(path);
  await chmod(path, 0o600);
  const file = await open(path, "r+");
  await file.write(Buffer.from("X"), 0, 1, 100);
  await file.close();
  await chmod(path, mode);
  await utimes(path, atime, mtime);
}

test("a file is fetched once, and a second load costs nothing", async () => {
  const { remote, registry } = fixture;
  const [first, second] = [new Heard(), new Heard()];
  const { weightsPath, model } = await registry.load(hash, BY_PATH, never, first.onProgress);
  expect(sha256(await readFile(weightsPath))).toBe(sha256(TEXT));
  expect((await stat(weightsPath)).mode & 0o777).toBe(0o400);
  expect(first.phases).toEqual(["fetching", "checking"]);
  expect(first.last).toMatchObject({ bytesDone: SIZE, bytesTotal: SIZE });
  expect(remote.traffic.received).toBe(SIZE);

  remote.reset();
  const again = await registry.load(hash, BY_PATH, never, second.onProgress);
  expect(again).toMatchObject({ weightsPath, model });
  expect(second.phases).toEqual([]);
  expect(remote.requests).toBe(0);

  const tagged = await registry.load("production", BY_PATH, never, second.onProgress);
  expect(tagged).toMatchObject({ weightsPath, model });
  expect(second.phases).toEqual([]);
  expect(remote.traffic.received).toBe(0);
});

test("a cache that was removed while it is in use is made anew", async () => {
  const { registry, cacheFolder } = fixture;
  await registry.load(hash, BY_PATH, never);
  await rm(cacheFolder, { recursive: true });
  const { weightsPath } = await registry.load(hash, BY_PATH, never);
  expect(sha256(await readFile(weightsPath))).toBe(sha256(TEXT));
});

test("a daemon that is started anew knows what was verified", async () => {
  const { remote } = fixture;
  await fixture.registry.load(hash, BY_PATH, never);
  remote.reset();
  const heard = new Heard();
  await (await fixture.again()).load(hash, BY_PATH, never, heard.onProgress);
  expect(heard.phases).toEqual([]);
  expect(remote.requests).toBe(0);

  // Where that is lost the file is hashed once more, and not fetched.
  await writeFile(join(fixture.cacheFolder, "verified.log"), "\n0123 [torn");
  const renewed = await fixture.again();
  await renewed.load(hash, BY_PATH, never, heard.onProgress);
  expect(heard.phases).toEqual(["checking"]);
  const quiet = new Heard();
  await renewed.load(hash, BY_PATH, never, quiet.onProgress);
  expect(quiet.phases).toEqual([]);
  expect(remote.requests).toBe(0);
});

test("models and registries share weights", async () => {
  await fixture.registry.load(hash, BY_PATH, never);
  const other = await storeText(fixture.registry, TEXT, { datasetHash: "other" });
  const elsewhere = await fixture.again({ spec: `fake:${fixture.root}-2` });
  const third = await storeText(elsewhere, TEXT, { datasetHash: "third" });
  fixture.remote.reset();
  const one = await fixture.registry.load(other, BY_PATH, never);
  const two = await elsewhere.load(third, BY_PATH, never);
  expect(one.weightsPath).toBe(two.weightsPath);
  expect(fixture.remote.traffic.received).toBe(0);
  await rm(`${fixture.root}-2`, { recursive: true });
});

test.each([
  ["a flipped byte", flip],
  ["a cut", (path: string) => chmod(path, 0o600).then(() => writeFile(path, TEXT.slice(1)))],
  ["other content", (path: string) => chmod(path, 0o600).then(() => writeFile(path, "other"))],
  ["a removal", (path: string) => rm(path)],
])("%s in a cached file is found at the next load and mended", async (_, damage) => {
  const { remote, registry } = fixture;
  const { weightsPath } = await registry.load(hash, BY_PATH, never);
  await damage(weightsPath);
  const loaded = await registry.load(hash, BY_PATH, never);
  expect(sha256(await readFile(loaded.weightsPath))).toBe(sha256(TEXT));
  await damage(weightsPath);
  const streamed = await registry.load("production", STREAM, never);
  expect(sha256(await collect(streamed.weights))).toBe(sha256(TEXT));
  expect(remote.traffic.received).toBe(3 * SIZE);
});

test("what changes while it is streamed is found before the last chunk", async () => {
  const { registry } = fixture;
  const { weightsPath } = await registry.load(hash, BY_PATH, never);
  const { weights } = await registry.load(hash, STREAM, never);
  const chunks = weights[Symbol.asyncIterator]();
  await chunks.next();
  await flip(weightsPath);
  await expect(collect({ [Symbol.asyncIterator]: () => chunks })).rejects.toEqual(failure("CORRUPT_MODEL"));
});

test("what comes wrong from there is refused and not kept", async () => {
  const { remote, registry } = fixture;
  remote.damage = (chunk) => Buffer.from(chunk).fill(0, 7, 8);
  for (const fetches of [true, false]) {
    remote.fetches = fetches;
    const opened = await fixture.again();
    for (const options of [BY_PATH, STREAM])
      await expect(opened.load(hash, options, never)).rejects.toEqual(failure("CORRUPT_MODEL"));
  }
  expect(await fixture.temps()).toEqual([]);
  remote.damage = (chunk) => chunk;
  const { weightsPath } = await registry.load(hash, BY_PATH, never);
  expect(sha256(await readFile(weightsPath))).toBe(sha256(TEXT));
});

test("weights that are missing there are told as such", async () => {
  await rm(join(fixture.root, hash, "weights.bin"), { force: true });
  const loading = fixture.registry.load(hash, BY_PATH, never);
  await expect(loading).rejects.toMatchObject({
    code: "CORRUPT_MODEL",
    message: expect.stringContaining("weights.bin is missing"),
  });
});

test("a backend without fetch is read in order and hashed on the way", async () => {
  fixture.remote.fetches = false;
  const heard = new Heard();
  const { weightsPath } = await (await fixture.again()).load(hash, BY_PATH, never, heard.onProgress);
  expect(heard.phases).toEqual(["fetching"]);
  expect(sha256(await readFile(weightsPath))).toBe(sha256(TEXT));
});

test("a stream goes on at an offset without a second fetch", async () => {
  const { remote, registry } = fixture;
  for (const offset of [0, 5, SIZE - 1, SIZE]) {
    const { weights } = await registry.load(hash, { byPath: false, offset }, never);
    expect((await collect(weights)).toString()).toBe(TEXT.slice(offset));
  }
  expect(remote.traffic.received).toBe(SIZE);
});

test("many who load at once share one fetch, and those who go leave it to the others", async () => {
  const { remote, registry } = fixture;
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  remote.onChunk = (done) => {
    if (done === 0) return undefined;
    begun.resolve();
    return gate.promise;
  };
  const stop = new AbortController();
  const heard = [new Heard(), new Heard(), new Heard()];
  const gone = registry.load(hash, BY_PATH, stop.signal);
  const staying = heard.map(({ onProgress }) => registry.load(hash, BY_PATH, never, onProgress));
  const refused = expect(gone).rejects.toThrow();
  await begun.promise;
  stop.abort();
  await refused;
  gate.resolve();
  const paths = (await Promise.all(staying)).map(({ weightsPath }) => weightsPath);
  expect(new Set(paths).size).toBe(1);
  expect(remote.traffic.received).toBe(SIZE);
  for (const { last } of heard) expect(last).toMatchObject({ bytesDone: SIZE });
});

test("a fetch that nobody waits for any more ends and leaves nothing", async () => {
  const { remote, registry } = fixture;
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  remote.onChunk = () => {
    begun.resolve();
    return gate.promise;
  };
  const stop = new AbortController();
  const gone = [1, 2].map(() => registry.load(hash, BY_PATH, stop.signal));
  const refused = Promise.all(gone.map((loading) => expect(loading).rejects.toThrow()));
  await begun.promise;
  expect(await fixture.temps()).toHaveLength(1);
  stop.abort();
  await refused;
  gate.resolve();
  await expect.poll(() => fixture.temps()).toEqual([]);
  expect(remote.traffic.received).toBe(0);
  remote.onChunk = () => undefined;
  await registry.load(hash, BY_PATH, never);
  expect(await fixture.temps()).toEqual([]);
});

test("a fetch that fails leaves nothing, and the next one tries again", async () => {
  const { remote, registry } = fixture;
  remote.onChunk = (done) => {
    if (done > 0) remote.offline = true;
    if (done > 0) throw new Error("the line was cut");
  };
  await expect(registry.load(hash, BY_PATH, never)).rejects.toThrow("the line was cut");
  remote.offline = false;
  remote.onChunk = () => undefined;
  expect(await fixture.temps()).toEqual([]);
  await registry.load(hash, BY_PATH, never);
});

test.each([
  ["without a cache", 0],
  ["larger than the cache", SIZE - 1],
])("weights %s pass through as a stream, and have no path", async (_, cacheBytes) => {
  const registry = await fixture.again({ cacheBytes });
  const { weights } = await registry.load("production", { byPath: false, offset: 8 }, never);
  expect((await collect(weights)).toString()).toBe(TEXT.slice(8));
  await expect(registry.load(hash, BY_PATH, never)).rejects.toMatchObject({
    code: "STORAGE_FULL",
    mend: expect.stringContaining("cache_gb"),
  });
  expect(await fixture.temps()).toEqual([]);
});

test("a cache folder that cannot be written stops no stream", async () => {
  await rm(join(fixture.cacheFolder, "weights"), { recursive: true, force: true });
  await writeFile(join(fixture.cacheFolder, "weights"), "in the way");
  const { weights } = await fixture.registry.load(hash, STREAM, never);
  expect(sha256(await collect(weights))).toBe(sha256(TEXT));
  await expect(fixture.registry.load(hash, BY_PATH, never)).rejects.toEqual(failure("STORAGE_FULL"));
});

test("the one not used for longest goes first, and none that was handed out just now", async () => {
  const registry = await fixture.again({ cacheBytes: 2.5 * SIZE });
  const later = await storeText(registry, TEXT.replaceAll("w", "v"));
  const third = await storeText(registry, TEXT.replaceAll("w", "u"));
  const pathOf = async (ref: string) => (await registry.load(ref, BY_PATH, never)).weightsPath;
  const [a, b] = [await pathOf(hash), await pathOf(later)];
  await expect(pathOf(third)).rejects.toEqual(failure("STORAGE_FULL"));
  expect(await collect((await registry.load(third, STREAM, never)).weights)).toHaveLength(SIZE);

  const minutes = (count: number) => vi.useFakeTimers({ now: Date.now() + count * 60_000, toFake: ["Date"] });
  minutes(20);
  expect(await pathOf(hash)).toBe(a);
  minutes(5);
  const c = await pathOf(third);
  expect(await readFile(a, "utf8")).toBe(TEXT);
  await expect(readFile(b)).rejects.toThrow("ENOENT");
  minutes(30);
  // A use that another process has written down counts.
  await (await fixture.again({ cacheBytes: 2.5 * SIZE })).load(hash, BY_PATH, never);
  minutes(5);
  await pathOf(later);
  expect(await readFile(a, "utf8")).toBe(TEXT);
  await expect(readFile(c)).rejects.toThrow("ENOENT");
});

test("a tag moves, and its loads follow", async () => {
  const { registry } = fixture;
  await registry.load("production", BY_PATH, never);
  const next = await storeText(registry, "next");
  await registry.tag(move("production", next, { force: true }), never);
  const loaded = await registry.load("production", BY_PATH, never);
  expect(await readFile(loaded.weightsPath, "utf8")).toBe("next");
  expect(await readdir(join(fixture.cacheFolder, "weights", "tmp"))).toEqual([]);
});
