/** Damaged files are found at load, named, and mended by storing the model again. */
import { chmod, cp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Registry } from "../../daemon/registry/index.ts";
import {
  collect,
  inProcess,
  move,
  never,
  newModel,
  type RegistryFixture,
  storeText,
  streamOf,
} from "../contract/registry-harness.ts";

const MIB = 1024 * 1024;
const WEIGHTS = Buffer.alloc(3 * MIB + 17, "weights ");

let fixture: RegistryFixture;
let registry: Registry;
let hash: string;
const fileOf = (name: string): string => join(fixture.root, hash, name);
const model = () => newModel({ weights: streamOf(WEIGHTS), previewJson: '{"in": [1.0]}' });

beforeEach(async () => {
  fixture = await inProcess();
  registry = fixture.registry;
  hash = (await registry.store(model(), never)).model.hash;
});
afterEach(() => fixture.close());

async function flipByte(name: string, position: number): Promise<void> {
  await chmod(fileOf(name), 0o600);
  const bytes = await readFile(fileOf(name));
  bytes[position] = (bytes[position] ?? 0) ^ 0x20;
  await writeFile(fileOf(name), bytes);
}

const load = (byPath: boolean) => registry.load(hash, { byPath, offset: 0 }, never);
const corrupt = (file: string) => ({
  code: "CORRUPT_MODEL",
  field: hash,
  message: expect.stringContaining(file),
});

test.each([0, 2 * MIB, WEIGHTS.length - 1])("one flipped byte of weights.bin at %i", async (position) => {
  await load(true);
  await flipByte("weights.bin", position);
  const chunks: Buffer[] = [];
  const reading = (async () => {
    for await (const chunk of (await load(false)).weights) chunks.push(chunk);
  })();
  await expect(reading).rejects.toMatchObject(corrupt("weights.bin"));
  expect(Buffer.concat(chunks).length).toBeLessThan(WEIGHTS.length);
  // It was verified before, but it is not the file that was verified.
  await expect(load(true)).rejects.toMatchObject(corrupt("weights.bin"));
  const [finding] = await Array.fromAsync(registry.verify([], never));
  expect(finding?.problems).toEqual([expect.stringContaining("weights.bin has the SHA-256")]);
});

test.each([
  ["cut short", () => truncate(fileOf("weights.bin"), WEIGHTS.length - 1)],
  ["too long", () => writeFile(fileOf("weights.bin"), "more", { flag: "a" })],
  ["gone", () => rm(fileOf("weights.bin"))],
])("weights.bin %s", async (_, damage) => {
  await chmod(fileOf("weights.bin"), 0o600);
  await damage();
  await expect(load(true)).rejects.toMatchObject(corrupt("weights.bin"));
  await expect(load(false).then((loaded) => collect(loaded.weights))).rejects.toMatchObject(
    corrupt("weights.bin"),
  );
});

test("each byte of metadata.json counts, and where it is cut", async () => {
  const path = fileOf("metadata.json");
  const sound = await readFile(path);
  await chmod(path, 0o600);
  for (let i = 0; i < 40; i++) {
    const position = Math.floor((sound.length * i) / 40);
    const flipped = Buffer.from(sound);
    flipped[position] = (flipped[position] ?? 0) ^ 1;
    await writeFile(path, flipped);
    await expect(registry.stat(hash, never)).rejects.toMatchObject(corrupt("metadata.json"));
    await writeFile(path, sound.subarray(0, position));
    await expect(load(false)).rejects.toMatchObject(corrupt("metadata.json"));
  }
  const { models } = await registry.list({ pageSize: 0, pageToken: "", metadataFilterJson: "" }, never);
  expect(models).toEqual([]);
  await writeFile(path, sound);
  expect((await registry.stat(hash, never)).hash).toBe(hash);
});

test.each(["operator.yaml", "preview.json"])("a flipped byte of %s", async (name) => {
  await flipByte(name, 3);
  await expect(load(true)).rejects.toMatchObject(corrupt(name));
});

test("storing again mends all of it", async () => {
  const files = ["weights.bin", "operator.yaml", "preview.json", "metadata.json"];
  for (const name of files) {
    await flipByte(name, 5);
    await expect(load(true)).rejects.toMatchObject({ code: "CORRUPT_MODEL" });
    await registry.store(model(), never);
    expect((await collect((await load(false)).weights)).equals(WEIGHTS)).toBe(true);
    await rm(fileOf(name));
    await registry.store(model(), never);
    expect((await collect((await load(false)).weights)).equals(WEIGHTS)).toBe(true);
  }
  expect((await readdir(fileOf(""))).sort()).toEqual(files.sort());
});

test("a folder without metadata.json is no model", async () => {
  await registry.tag(move("prod", hash), never);
  await rm(fileOf("metadata.json"));
  await expect(registry.resolve(hash, never)).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  await expect(registry.resolve(hash.slice(0, 8), never)).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  const { models } = await registry.list({ pageSize: 0, pageToken: "", metadataFilterJson: "" }, never);
  expect(models).toEqual([]);
  await expect(registry.load("prod", { byPath: false, offset: 0 }, never)).rejects.toMatchObject({
    code: "CORRUPT_MODEL",
  });
  const [finding] = await Array.fromAsync(registry.verify([], never));
  expect(finding).toMatchObject({ hash, problems: [expect.stringContaining("metadata.json is missing")] });
});

test("an ambiguous prefix names the candidates", async () => {
  const folder = join(fixture.root, hash);
  const twins = [
    `${hash.slice(0, 63)}${hash.endsWith("0") ? "1" : "0"}`,
    `${hash.slice(0, 8)}${"0".repeat(56)}`,
  ];
  for (const twin of twins) await cp(folder, join(fixture.root, twin), { recursive: true });
  const ambiguous = registry.resolve(hash.slice(0, 8), never);
  await expect(ambiguous).rejects.toMatchObject({
    code: "REF_AMBIGUOUS",
    message: expect.stringContaining(hash),
  });
  await expect(registry.stat(twins[0] ?? "", never)).rejects.toMatchObject({ code: "CORRUPT_MODEL" });
});

test.each(["metadata.json", "operator.yaml"])(
  "%s of more than 16 MiB hinders no other model",
  async (file) => {
    const other = await storeText(registry, "other");
    await registry.tag(move("prod", other), never);
    await chmod(fileOf(file), 0o600);
    await truncate(fileOf(file), 16 * 1024 * 1024 + 1);
    await expect(load(true)).rejects.toMatchObject(corrupt(`${file} has more than 16 MiB`));
    const { models } = await registry.list({ metadataFilterJson: "", pageSize: 0, pageToken: "" }, never);
    expect(models.map((found) => found.hash)).toContain(other);
    const findings = await Array.fromAsync(registry.verify([], never));
    expect(findings.filter(({ problems }) => problems.length > 0)).toMatchObject([
      { hash, problems: [`${file} has more than 16 MiB.`] },
    ]);
  },
);

test("a tag file of more than 16 MiB is named, and the models are told without it", async () => {
  await registry.tag(move("prod", hash), never);
  await chmod(join(fixture.root, "_tags/prod.txt"), 0o600);
  await truncate(join(fixture.root, "_tags/prod.txt"), 16 * 1024 * 1024 + 1);
  await expect(registry.resolve("prod", never)).rejects.toMatchObject({ field: "_tags/prod.txt" });
  expect(await registry.stat(hash, never)).toMatchObject({ hash });
});

test("a damaged tag or log entry is named", async () => {
  const other = await storeText(registry, "other");
  await registry.tag(move("prod", hash), never);
  await registry.tag(move("prod", other, { force: true }), never);
  const log = join(fixture.root, "_log/prod/000000000001.json");
  await chmod(log, 0o600);
  await truncate(log, 20);
  await expect(registry.resolve("prod~1", never)).rejects.toMatchObject({
    code: "CORRUPT_MODEL",
    field: "_log/prod/000000000001.json",
  });
  expect((await registry.resolve("prod", never)).hash).toBe(other);
  const tag = join(fixture.root, "_tags/prod.txt");
  await chmod(tag, 0o600);
  await truncate(tag, 100);
  await expect(registry.resolve("prod", never)).rejects.toMatchObject({ field: "_tags/prod.txt" });
});

test("the mover after one that died before it wrote the log writes it", async () => {
  const other = await storeText(registry, "other");
  await registry.tag(move("prod", hash), never);
  await rm(join(fixture.root, "_log/prod/000000000001.json"));
  await registry.tag(move("prod", other, { force: true }), never);
  const { moves } = await registry.tagHistory("prod", { pageSize: 0, pageToken: "" }, never);
  expect(moves).toMatchObject([
    { seq: 2, hash: other, previousHash: hash },
    { seq: 1, hash },
  ]);
});
