/** Archives: what other tools make of them, and what is found in damaged, cut off and hostile ones. */
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Registry } from "../../daemon/registry/index.ts";
import { fill, historyOf, told } from "../contract/registry-copy.ts";
import {
  inProcess,
  move,
  never,
  newModel,
  type RegistryFixture,
  storeText,
  streamOf,
} from "../contract/registry-harness.ts";
import { packed, summed, type TarEntry, unpacked } from "../support/tar-entries.ts";

const run = promisify(execFile);
const ALL = { refs: [], withoutTags: false, overwrite: false };
const IN = { withoutTags: false, force: false, actor: "tester@here" };

let fixture: RegistryFixture;
let source: Registry;
let path: string;
let a: string;
let b: string;

beforeEach(async () => {
  fixture = await inProcess();
  source = fixture.registry;
  ({ a, b } = await fill(source));
  path = join(fixture.scratch, "models.tar");
  await told(source.exportTo(path, ALL, never));
});
afterEach(() => fixture.close());

async function problemsOf(registry: Registry): Promise<string[]> {
  return (await Array.fromAsync(registry.verify([], never))).flatMap(({ problems }) => problems);
}

/** Writes the bytes as an archive and takes it into a registry. */
async function importing(bytes: Buffer, target?: Registry): Promise<Registry> {
  const file = join(fixture.scratch, "changed.tar");
  await writeFile(file, bytes);
  const into = target ?? (await fixture.other());
  await told(into.importFrom(file, IN, never));
  return into;
}

const corrupt = (why: string) => ({ code: "CORRUPT_ARCHIVE", message: expect.stringContaining(why) });

test("tar and sha256sum read it", async () => {
  const { stdout } = await run("tar", ["tf", path]);
  const [one, two] = [a, b].sort() as [string, string];
  const files = (hash: string) =>
    (hash === a
      ? ["operator.yaml", "preview.json", "weights.bin", "metadata.json"]
      : ["operator.yaml", "metadata.json"]
    ).map((file) => `${hash}/${file}`);
  expect(stdout.trim().split("\n")).toEqual([
    "pipekit-archive.json",
    ...files(one),
    ...files(two),
    "_log/old/000000000001.json",
    "_log/old/000000000002.json",
    "_tags/old.txt",
    "_log/stage/000000000001.json",
    "_log/stage/000000000002.json",
    "_tags/stage.txt",
    "SHA256SUMS",
  ]);
  const folder = join(fixture.scratch, "unpacked");
  await mkdir(folder);
  await run("tar", ["xf", path, "-C", folder]);
  expect((await run("sha256sum", ["--quiet", "-c", "SHA256SUMS"], { cwd: folder })).stdout).toBe("");
  expect(await readFile(join(folder, a, "metadata.json"))).toEqual(
    await readFile(join(fixture.root, a, "metadata.json")),
  );
});

test("a name of the longest kind goes in and out", async () => {
  const name = "n".repeat(128);
  await source.tag(move(name, a), never);
  const long = join(fixture.scratch, "long.tar");
  await told(source.exportTo(long, ALL, never));
  expect((await run("tar", ["tf", long])).stdout).toContain(`_tags/${name}.txt`);
  const target = await importing(await readFile(long));
  expect(await historyOf(target, name)).toEqual(await historyOf(source, name));
});

test("a file of the name is replaced only when asked for", async () => {
  const before = await readFile(path);
  await expect(told(source.exportTo(path, ALL, never))).rejects.toMatchObject({ field: "path" });
  await source.tag(move("more", a), never);
  await told(source.exportTo(path, { ...ALL, overwrite: true }, never));
  expect((await readFile(path)).equals(before)).toBe(false);
  for (const wrong of ["models.tar", "/nowhere/models.tar", `${path}/models.tar`]) {
    await expect(told(source.exportTo(wrong, ALL, never))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      field: "path",
    });
  }
  expect((await readdir(fixture.scratch)).filter((name) => name.includes("part"))).toEqual([]);
});

test("a damaged model makes no archive, and a cancelled export none either", async () => {
  const stop = new AbortController();
  const big = await storeText(source, "x".repeat(8_000_000));
  const file = join(fixture.scratch, "no.tar");
  const cancelled = (async () => {
    for await (const _ of source.exportTo(file, { ...ALL, refs: [big] }, stop.signal)) stop.abort();
  })();
  await expect(cancelled).rejects.toThrow();
  const weights = join(fixture.root, a, "weights.bin");
  await run("chmod", ["600", weights]);
  await truncate(weights, 3);
  await expect(told(source.exportTo(file, ALL, never))).rejects.toMatchObject({
    code: "CORRUPT_MODEL",
    field: a,
  });
  expect((await readdir(fixture.scratch)).filter((name) => name.startsWith("no.tar"))).toEqual([]);
});

test("one flipped bit anywhere is found or harmless", { timeout: 120_000 }, async () => {
  const sound = await readFile(path);
  const full = await importing(sound);
  const before = await unpacked(sound);
  let found = 0;
  for (let position = 0; position < sound.length; position += 97) {
    const flipped = Buffer.from(sound);
    flipped[position] = (flipped[position] ?? 0) ^ (1 << (position % 8));
    // Every other one into a registry that has all of it, which is quick, and looks only.
    const target = position % 2 === 0 ? full : await fixture.other();
    const taken = await importing(flipped, target).catch((error: unknown) => {
      expect(error).toMatchObject({ code: "CORRUPT_ARCHIVE" });
      found += 1;
      return undefined;
    });
    // What became visible is sound, whatever was found.
    expect(await problemsOf(target)).toEqual([]);
    if (taken === undefined || target === full) continue;
    const again = join(fixture.scratch, "again.tar");
    await told(target.exportTo(again, { ...ALL, overwrite: true }, never));
    expect(await unpacked(await readFile(again))).toEqual(before);
  }
  expect(found).toBeGreaterThan(30);
});

test("cut off anywhere, it brings no tag, and what it brings is sound", { timeout: 60_000 }, async () => {
  const sound = await readFile(path);
  const entries = await unpacked(sound);
  const end = (await packed(entries)).length - 1024;
  for (let length = 0; length < end; length += 512) {
    const target = await fixture.other();
    const cut = sound.subarray(0, length - (length % 3 === 0 ? 0 : 100));
    await expect(importing(cut, target)).rejects.toMatchObject({ code: "CORRUPT_ARCHIVE" });
    expect((await target.listTags({ pageSize: 0, pageToken: "" }, never)).tags).toEqual([]);
    expect(await problemsOf(target)).toEqual([]);
  }
});

describe("a hostile archive is refused", () => {
  let entries: TarEntry[];
  beforeEach(async () => {
    entries = await unpacked(await readFile(path));
  });
  const nameOf = (file: string): string => `${a}/${file}`;
  const at = (name: string): number => entries.findIndex((entry) => entry.name === name);
  const inserted = (index: number, ...more: TarEntry[]): TarEntry[] => entries.toSpliced(index, 0, ...more);
  const body = Buffer.from("body");

  test.each([
    ["../escape", "none of its entries"],
    ["/etc/passwd", "none of its entries"],
    [`${"0".repeat(64)}/../../escape`, "none of its entries"],
    [`${"0".repeat(64)}/other.bin`, "none of its entries"],
    [`${"0".repeat(64)}/`, "none of its entries"],
    ["_tags/../x.txt", "none of its entries"],
    ["_tags/deadbeef.txt", "none of its entries"],
    ["_log/stage/1.json", "none of its entries"],
    ["_lock.sqlite", "none of its entries"],
  ])("that holds %s", async (name, why) => {
    const bytes = await packed(
      summed(inserted(1, { name, body: name.endsWith("/") ? Buffer.alloc(0) : body })),
    );
    await expect(importing(bytes)).rejects.toMatchObject(corrupt(why));
  });

  test.each(["symlink", "link", "character-device", "fifo"] as const)("that holds a %s", async (type) => {
    const entry = { name: nameOf("operator.yaml"), type, linkname: "/etc/passwd", body: Buffer.alloc(0) };
    const bytes = await packed(summed(entries.toSpliced(at(entry.name), 1, entry)));
    await expect(importing(bytes)).rejects.toMatchObject(corrupt(`which is a ${type}`));
  });

  test("with an entry twice, in another order, missing, or after the end", async () => {
    const again = entries[at(nameOf("weights.bin"))] as TarEntry;
    await expect(importing(await packed(summed(inserted(at(again.name), again))))).rejects.toMatchObject(
      corrupt("twice or in the wrong place"),
    );
    await expect(importing(await packed(summed(inserted(at(again.name) + 2, again))))).rejects.toMatchObject(
      corrupt("twice or in the wrong place"),
    );
    const lacking = summed(entries.toSpliced(at(nameOf("metadata.json")), 1));
    await expect(importing(await packed(lacking))).rejects.toMatchObject(corrupt("lacks metadata.json"));
    const after = [...entries, { name: `_tags/zz.txt`, body }];
    await expect(importing(await packed(after))).rejects.toMatchObject(
      corrupt("twice or in the wrong place"),
    );
    for (const file of ["weights.bin", "preview.json", "operator.yaml"]) {
      const target = await fixture.other();
      const without = await packed(summed(entries.toSpliced(at(nameOf(file)), 1)));
      await expect(importing(without, target)).rejects.toMatchObject(corrupt(file));
      await expect(target.stat(a, never)).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
    }
  });

  test.each(["weights.bin", "preview.json", "operator.yaml", "metadata.json"])(
    "with another %s, whose digest fits",
    async (file) => {
      const target = await fixture.other();
      const changed = summed(entries.toSpliced(at(nameOf(file)), 1, { name: nameOf(file), body }));
      await expect(importing(await packed(changed), target)).rejects.toMatchObject(
        corrupt(`damaged model ${a}`),
      );
      await expect(target.stat(a, never)).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
      const { root } = { root: target.spec.slice("local:".length) };
      expect((await readdir(root)).filter((name) => name.length === 64 && name !== b)).toEqual([]);
      expect(await readdir(join(root, "_tmp"))).toEqual([]);
    },
  );

  test("with the metadata of another model", async () => {
    const other = entries[at(`${b}/metadata.json`)] as TarEntry;
    const changed = entries.toSpliced(at(nameOf("metadata.json")), 1, {
      name: nameOf("metadata.json"),
      body: other.body,
    });
    await expect(importing(await packed(summed(changed)))).rejects.toMatchObject(
      corrupt("belongs to another model"),
    );
  });

  test("with a history that does not hang together", async () => {
    const log = "_log/stage/000000000001.json";
    for (const change of [
      (text: string) => text.replace('"seq":1', '"seq":2'),
      (text: string) => text.slice(0, 20),
      () => "null",
    ]) {
      const target = await fixture.other();
      const text = change((entries[at(log)] as TarEntry).body.toString());
      const changed = summed(entries.toSpliced(at(log), 1, { name: log, body: Buffer.from(text) }));
      await expect(importing(await packed(changed), target)).rejects.toMatchObject(
        corrupt("damaged history"),
      );
      await expect(target.resolve("stage", never)).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
    }
    const text = (entries[at(log)] as TarEntry).body.toString().replaceAll(a, b);
    const target = await fixture.other();
    const file = join(fixture.scratch, "broken.tar");
    await writeFile(
      file,
      await packed(summed(entries.toSpliced(at(log), 1, { name: log, body: Buffer.from(text) }))),
    );
    const { tags } = await told(target.importFrom(file, IN, never));
    expect(tags).toContainEqual({
      name: "stage",
      moves: 0,
      problem: expect.stringContaining("does not follow from the one before"),
    });
    await expect(target.resolve("stage", never)).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  });

  test("with entries or headers that would fill the memory", async () => {
    const large = { name: nameOf("operator.yaml"), body: Buffer.alloc(17 * 1024 * 1024) };
    await expect(
      importing(await packed(summed(entries.toSpliced(at(large.name), 1, large)))),
    ).rejects.toMatchObject(corrupt("bytes"));
    const pax = { name: nameOf("operator.yaml"), body, pax: { comment: "x".repeat(5 * 1024 * 1024) } };
    await expect(
      importing(await packed(summed(entries.toSpliced(at(pax.name), 1, pax)))),
    ).rejects.toMatchObject({
      code: "CORRUPT_ARCHIVE",
    });
  });

  test("that is none, or of another time", async () => {
    const sound = await readFile(path);
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.alloc(4096),
      gzipSync(sound),
      Buffer.from("hello".repeat(1000)),
    ]) {
      await expect(importing(bytes)).rejects.toMatchObject({ code: "CORRUPT_ARCHIVE" });
    }
    await expect(importing(await packed(entries.slice(1)))).rejects.toMatchObject(corrupt("is no archive"));
    const head = (entries[0] as TarEntry).body.toString().replace('"version": 1', '"version": 2');
    const later = summed(entries.toSpliced(0, 1, { name: "pipekit-archive.json", body: Buffer.from(head) }));
    await expect(importing(await packed(later))).rejects.toMatchObject(corrupt("does not know"));
    for (const missing of [join(fixture.scratch, "none.tar"), fixture.scratch]) {
      await expect(told(source.importFrom(missing, IN, never))).rejects.toMatchObject({
        code: "ARTIFACT_UNREADABLE",
        field: missing,
      });
    }
    await expect(told(source.importFrom("models.tar", IN, never))).rejects.toMatchObject({ field: "path" });
  });
});

test("a cancelled import is taken up by the next one", async () => {
  for (let i = 0; i < 5; i++) {
    await source.store(newModel({ weights: streamOf(Buffer.alloc(2_000_000, `${i}`)) }), never);
  }
  const file = join(fixture.scratch, "large.tar");
  await told(source.exportTo(file, ALL, never));
  const target = await fixture.other();
  const stop = new AbortController();
  let models = 0;
  const cancelled = (async () => {
    for await (const { part } of target.importFrom(file, IN, stop.signal)) {
      if (part?.$case === "model" && ++models === 3) stop.abort();
    }
  })();
  await expect(cancelled).rejects.toThrow();
  expect(await problemsOf(target)).toEqual([]);
  expect(await readdir(join(target.spec.slice("local:".length), "_tmp"))).toEqual([]);
  const { summary } = await told(target.importFrom(file, IN, never));
  expect(summary).toMatchObject({ models: 7, tags: 2, problems: 0 });
  expect(summary?.created).toBeLessThanOrEqual(4);
});

test("tags are left out when asked for", async () => {
  const target = await fixture.other();
  const { tags, summary } = await told(target.importFrom(path, { ...IN, withoutTags: true }, never));
  expect(tags).toEqual([]);
  expect(summary).toMatchObject({ models: 2, tags: 0 });
  const bare = join(fixture.scratch, "bare.tar");
  await told(source.exportTo(bare, { ...ALL, withoutTags: true, refs: [a] }, never));
  expect((await run("tar", ["tf", bare])).stdout).not.toContain("_tags");
});
