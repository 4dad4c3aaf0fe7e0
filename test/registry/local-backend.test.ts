/** The seam adapters/registry.ts, as the local backend keeps it. */
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localRegistry } from "@pipekit/adapters/local";
import { ObjectMissing, type RegistryBackend } from "@pipekit/adapters/registry";
import { afterEach, beforeEach, expect, test } from "vitest";
import { collect, never } from "../contract/registry-harness.ts";

const CONTEXT = { scratch: tmpdir(), env: {} };
let root: string;
let backend: RegistryBackend;
const bytes = (text: string) => Buffer.from(text);

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "pkx-local-"));
  backend = await localRegistry.open(`local:${root}`, CONTEXT);
});
afterEach(() => rm(root, { recursive: true, force: true }));

test("specs have one spelling", () => {
  expect(localRegistry.parse("local:/srv//models/../x/")).toBe("local:/srv/x");
  for (const spec of ["local:", "local:models", "local:./models", "local:/", "local:/a\nb", "s3://x"]) {
    expect(() => localRegistry.parse(spec)).toThrow(expect.objectContaining({ name: "SpecError" }));
  }
});

test("of many who create a key one does", async () => {
  const others = await Promise.all([1, 2, 3].map(() => localRegistry.open(`local:${root}`, CONTEXT)));
  const created = await Promise.all(
    Array.from({ length: 32 }, (_, i) => (others[i % 4] ?? backend).create("a/b", bytes(`${i}`), never)),
  );
  const versions = created.filter((version) => version !== undefined);
  expect(versions).toHaveLength(1);
  const found = await backend.get("a/b", never);
  expect(found?.version).toBe(versions[0]);
  expect(found?.bytes.toString()).toBe(String(created.findIndex((version) => version !== undefined)));
});

test("of many who replace a version one does, and old bytes make a new version", async () => {
  let version = await backend.create("k", bytes("A"), never);
  const seen = new Set([version]);
  for (const text of ["B", "A", "B", "A"]) {
    const other = await localRegistry.open(`local:${root}`, CONTEXT);
    const replaced = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        (i % 2 ? other : backend).replace("k", bytes(text), version ?? "", never),
      ),
    );
    const winners = replaced.filter((next) => next !== undefined);
    expect(winners).toHaveLength(1);
    version = winners[0];
    expect(seen).not.toContain(version);
    seen.add(version);
    expect((await backend.get("k", never))?.version).toBe(version);
  }
  await backend.remove("k", never);
  await backend.remove("k", never);
  expect(await backend.replace("k", bytes("C"), version ?? "", never)).toBeUndefined();
  expect(await backend.get("k", never)).toBeUndefined();
});

test("lists in byte order, by pages, without its own files", async () => {
  const keys = ["a/1", "a.txt", "a-b/2", "_tags/x.txt", "a/0/z", "b", "Z/q"];
  for (const key of keys) await backend.create(key, bytes(key), never);
  const sorted = keys.toSorted((x, y) => Buffer.compare(bytes(x), bytes(y)));
  expect(await backend.list("", { limit: 100 }, never)).toEqual(sorted);
  const paged: string[] = [];
  for (;;) {
    const page = await backend.list(
      "",
      { limit: 2, ...(paged.length > 0 && { after: paged.at(-1) ?? "" }) },
      never,
    );
    paged.push(...page);
    if (page.length < 2) break;
  }
  expect(paged).toEqual(sorted);
  expect(await backend.list("a", { limit: 100 }, never)).toEqual(["a-b/2", "a.txt", "a/0/z", "a/1"]);
  expect(await backend.list("", { limit: 100, folders: true }, never)).toEqual([
    "Z/",
    "_tags/",
    "a-b/",
    "a/",
  ]);
  expect(await backend.list("a/", { limit: 100, folders: true }, never)).toEqual(["a/0/"]);
  expect(await backend.list("none/", { limit: 100 }, never)).toEqual([]);
});

test("publishes a received object once, and reads it from any offset", async () => {
  const content = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => i % 251));
  await writeFile(join(root, "_tmp", "source"), content);
  const first = await backend.receive({ kind: "file", path: join(root, "_tmp", "source") }, never);
  expect(await backend.info("m/w", never)).toBeUndefined();
  expect(await first.publish("m/w", never)).toBe(true);
  const second = await backend.receive(
    {
      kind: "stream",
      chunks: (async function* () {
        yield bytes("other");
      })(),
    },
    never,
  );
  expect(await second.publish("m/w", never)).toBe(false);
  await second.discard();
  expect(await backend.info("m/w", never)).toMatchObject({ key: "m/w", size: content.length });
  for (const offset of [0, 1, 1024 * 1024, 2_999_999, 3_000_000]) {
    expect((await collect(backend.read("m/w", offset, never))).equals(content.subarray(offset))).toBe(true);
  }
  await expect(collect(backend.read("m/none", 0, never))).rejects.toThrow(ObjectMissing);
  const missing = backend.receive({ kind: "file", path: "/not/there" }, never);
  await expect(missing).rejects.toMatchObject({ name: "SourceUnreadable", path: "/not/there" });
});

test("keeps within its folder", async () => {
  for (const key of ["../x", "/x", "a/../../x", "a//b", ""]) {
    await expect(backend.get(key, never)).rejects.toThrow("no key");
  }
});

test("tells of changes made by another process's write", async () => {
  const other = await localRegistry.open(`local:${root}`, CONTEXT);
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = backend.watch("_tags/t.txt", resolve);
  await other.create("_tags/t.txt", bytes("x"), never);
  await promise;
  stop();
});

test("removes temporary files a day old when it is opened, and no younger ones", async () => {
  await mkdir(join(root, "_tmp"), { recursive: true });
  for (const name of ["old", "young"]) await writeFile(join(root, "_tmp", name), "x");
  const yesterday = Date.now() / 1000 - 25 * 60 * 60;
  await utimes(join(root, "_tmp", "old"), yesterday, yesterday);
  await localRegistry.open(`local:${root}`, CONTEXT);
  expect(await readdir(join(root, "_tmp"))).toEqual(["young"]);
});
