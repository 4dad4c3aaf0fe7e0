/** What a host has loaded before, it has while the registry is away. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { clearModelCache } from "../../daemon/registry/index.ts";
import { collect, never, newModel, storeText } from "../contract/registry-harness.ts";
import { type RemoteFixture, remoteFixture } from "../support/remote-registry.ts";

const BY_PATH = { byPath: true, offset: 0 };
const STREAM = { byPath: false, offset: 0 };
const AWAY = { name: "PipekitError", code: "REGISTRY_UNAVAILABLE" };

let fixture: RemoteFixture;
let hash: string;

beforeEach(async () => {
  fixture = await remoteFixture();
  hash = await storeText(fixture.registry, "weights", { name: "production", previewJson: '{"a":[1]}' });
});
afterEach(() => fixture.close());

test("a model loaded before loads and resolves by its full hash", async () => {
  const before = await fixture.registry.load("production", STREAM, never);
  await collect(before.weights);
  fixture.remote.offline = true;
  for (const registry of [fixture.registry, await fixture.again()]) {
    const streamed = await registry.load(hash, STREAM, never);
    expect(streamed.model).toEqual(before.model);
    expect((await collect(streamed.weights)).toString()).toBe("weights");
    const { weightsPath } = await registry.load(hash.toUpperCase(), BY_PATH, never);
    expect(await readFile(weightsPath, "utf8")).toBe("weights");
    expect(await registry.resolve(hash, never)).toEqual({ hash, move: undefined });
    expect(await registry.stat(hash, never)).toEqual({ ...before.model, tags: [] });
  }
  fixture.remote.offline = false;
  expect(await fixture.registry.stat(hash, never)).toMatchObject({ tags: ["production"] });
});

test("so does it in a daemon that cannot even open the registry, until it can", async () => {
  const before = await fixture.registry.load(hash, BY_PATH, never);
  const { remote } = fixture;
  remote.opensOffline = false;
  remote.offline = true;
  const registries = fixture.registries();
  const registry = await registries.open("");
  expect(await registry.load(hash, BY_PATH, never)).toMatchObject({ weightsPath: before.weightsPath });
  expect(await registry.resolve(hash, never)).toMatchObject({ hash });
  expect(await registry.stat(hash, never)).toEqual(before.model);
  const refused = { ...AWAY, message: "The fake registry is away." };
  await expect(registry.load("production", BY_PATH, never)).rejects.toMatchObject(refused);
  await expect(registry.load("0".repeat(64), BY_PATH, never)).rejects.toMatchObject(refused);
  const calls = [
    () => registry.store(newModel(), never),
    () => registry.listPins(never),
    () => registry.gc({ policy: undefined, apply: true, actor: "" }, never)[Symbol.asyncIterator]().next(),
    () => registry.watchTag("production", 0, never)[Symbol.asyncIterator]().next(),
    () => registry.atomic,
  ];
  for (const call of calls) await expect((async () => call())()).rejects.toMatchObject(refused);
  remote.offline = false;
  const opened = await registries.open("");
  expect(await opened.load("production", BY_PATH, never)).toMatchObject({ weightsPath: before.weightsPath });
  expect(opened.atomic).toBe(true);
});

test("where a tag or a prefix leads only the registry knows, and the mend says what works", async () => {
  await fixture.registry.load(hash, BY_PATH, never);
  fixture.remote.offline = true;
  for (const ref of ["production", "production~1", "production@1", hash.slice(0, 12)]) {
    const refused = { ...AWAY, mend: expect.stringContaining("full hash") };
    await expect(fixture.registry.load(ref, BY_PATH, never)).rejects.toMatchObject(refused);
    await expect(fixture.registry.resolve(ref, never)).rejects.toMatchObject(refused);
    await expect(fixture.registry.stat(ref, never)).rejects.toMatchObject(refused);
  }
});

test("a model that was not loaded whole is not here", async () => {
  fixture.remote.offline = true;
  await expect(fixture.registry.load(hash, BY_PATH, never)).rejects.toMatchObject(AWAY);
  await expect(fixture.registry.resolve(hash, never)).rejects.toMatchObject(AWAY);
  fixture.remote.offline = false;
  await fixture.registry.stat(hash, never);
  fixture.remote.offline = true;
  expect(await fixture.registry.resolve(hash, never)).toMatchObject({ hash });
  await expect(fixture.registry.load(hash, BY_PATH, never)).rejects.toMatchObject(AWAY);
  fixture.remote.offline = false;
  await fixture.registry.load(hash, BY_PATH, never);
  await clearModelCache(fixture.cacheFolder, true);
  fixture.remote.offline = true;
  await expect(fixture.registry.load(hash, BY_PATH, never)).rejects.toMatchObject(AWAY);
});

test("a model without weights is whole with its documents", async () => {
  const { model } = await fixture.registry.store(newModel(), never);
  await fixture.registry.load(model.hash, BY_PATH, never);
  fixture.remote.offline = true;
  expect(await fixture.registry.load(model.hash, BY_PATH, never)).toMatchObject({ weightsPath: "" });
});

test("one registry's documents stand for no other's", async () => {
  await fixture.registry.load(hash, BY_PATH, never);
  const other = await fixture.again({ spec: `fake:${fixture.root}/../other` });
  const missing = { code: "REF_NOT_FOUND" };
  await expect(other.load(hash, BY_PATH, never)).rejects.toMatchObject(missing);
  await expect(other.resolve(hash, never)).rejects.toMatchObject(missing);
});

test("documents that were damaged are not believed", async () => {
  await fixture.registry.load(hash, BY_PATH, never);
  const folder = join(fixture.cacheFolder, "documents");
  const [registry = ""] = await readdir(folder);
  const file = join(folder, registry, `${hash}.json`);
  const text = await readFile(file, "utf8");
  const parsed = JSON.parse(text) as { [name: string]: string };
  const damaged = [
    "",
    "{}",
    "null",
    text.slice(0, -20),
    text.replace("pkg.models", "evil.model"),
    ...Object.keys(parsed).map((name) => JSON.stringify({ ...parsed, [name]: `${parsed[name]} ` })),
    JSON.stringify({ ...parsed, preview: undefined }),
  ];
  for (const content of damaged) {
    await writeFile(file, content);
    fixture.remote.offline = true;
    await expect(fixture.registry.load(hash, BY_PATH, never)).rejects.toMatchObject(AWAY);
    fixture.remote.offline = false;
    await fixture.registry.load(hash, BY_PATH, never);
    expect(await readFile(file, "utf8")).toBe(text);
  }
});
