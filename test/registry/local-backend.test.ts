/** The seam adapters/registry.ts, as the local backend keeps it. */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localRegistry } from "@pipekit/adapters/local";
import {
  BackendRefused,
  ObjectMissing,
  ObjectTooLarge,
  type RegistryBackend,
} from "@pipekit/adapters/registry";
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

test("a link to a file is listed as it is read; a link to nothing or to a folder is not", async () => {
  await mkdir(join(root, "_tags"));
  await writeFile(join(root, "elsewhere"), "there");
  for (const [target, name] of [
    ["../elsewhere", "x"],
    ["nothing", "y"],
    ["..", "z"],
  ] as const) {
    await symlink(target, join(root, "_tags", name));
  }
  expect((await backend.get("_tags/x", never))?.bytes.toString()).toBe("there");
  expect(await backend.list("_tags/", { limit: 100 }, never)).toEqual(["_tags/x"]);
  expect(await backend.scan("_tags/", { limit: 100 }, never)).toMatchObject([{ key: "_tags/x", size: 5 }]);
});

test("a folder, a pipe or a device is no object, and holds up nobody", async () => {
  await mkdir(join(root, "folder"));
  execFileSync("mkfifo", [join(root, "pipe")]);
  await symlink("/dev/zero", join(root, "device"));
  for (const key of ["folder", "pipe", "device"]) {
    expect(await backend.get(key, never)).toBeUndefined();
    expect(await backend.info(key, never)).toBeUndefined();
  }
});

test("a file that is too large to be read whole is named", async () => {
  await writeFile(join(root, "k"), "");
  await truncate(join(root, "k"), 16 * 1024 * 1024 + 1);
  const reading = backend.get("k", never);
  await expect(reading).rejects.toThrow(ObjectTooLarge);
  await expect(reading).rejects.toThrow("k is too large");
});

test("whoever may enter the root may enter its folders and take its lock, whatever the mask", async () => {
  const modes = async (rootMode: number) => {
    const own = join(root, String(rootMode));
    await mkdir(own);
    await chmod(own, rootMode);
    const before = process.umask(0o077);
    try {
      const opened = await localRegistry.open(`local:${own}`, CONTEXT);
      opened.watch("_tags/x.txt", () => undefined)();
      await opened.create("_log/x/1", bytes("1"), never);
    } finally {
      process.umask(before);
    }
    const names = ["_tmp", "_tags", "_log", "_log/x", "_log/x/1", "_lock.sqlite"];
    const found = await Promise.all(names.map((name) => stat(join(own, name))));
    return found.map(({ mode }) => (mode & 0o7777).toString(8));
  };
  expect(await modes(0o2775)).toEqual(["2775", "2775", "2775", "2775", "444", "664"]);
  expect(await modes(0o700)).toEqual(["700", "700", "700", "700", "400", "600"]);
});

test("who may only read reads, and is told when he writes", async () => {
  await chmod(root, 0o755);
  const writer = await localRegistry.open(`local:${root}`, CONTEXT);
  await writer.create("k", bytes("there"), never);
  const old = join(root, "_tmp", randomUUID());
  await writeFile(old, "");
  await utimes(old, 1, 1);
  await chmod(join(root, "_tmp"), 0o555);
  // What root does is not denied.
  if (process.getuid?.() === 0) process.seteuid?.(65534);
  try {
    const reader = await localRegistry.open(`local:${root}`, CONTEXT);
    expect((await reader.get("k", never))?.bytes.toString()).toBe("there");
    const told = `The daemon's user may not write in ${root}.`;
    await expect(reader.create("n", bytes("1"), never)).rejects.toThrow(told);
    const stream = { kind: "stream", chunks: [bytes("1")] as unknown as AsyncIterable<Buffer> } as const;
    await expect(reader.receive(stream, never)).rejects.toThrow(BackendRefused);
  } finally {
    if (process.getuid?.() === 0) process.seteuid?.(0);
    await chmod(join(root, "_tmp"), 0o755);
  }
});

test("what another program keeps in a folder of the same name stays, however old", async () => {
  const temp = join(root, "_tmp");
  await localRegistry.open(`local:${root}`, CONTEXT);
  const [theirs, ours] = [join(temp, "notes.txt"), join(temp, randomUUID())];
  for (const path of [theirs, ours]) {
    await writeFile(path, "");
    await utimes(path, 1, 1);
  }
  await localRegistry.open(`local:${root}`, CONTEXT);
  expect(await readdir(temp)).toEqual(["notes.txt"]);
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
  const [old, young] = [randomUUID(), randomUUID()];
  for (const name of [old, young]) await writeFile(join(root, "_tmp", name), "x");
  const yesterday = Date.now() / 1000 - 25 * 60 * 60;
  await utimes(join(root, "_tmp", old), yesterday, yesterday);
  await localRegistry.open(`local:${root}`, CONTEXT);
  expect(await readdir(join(root, "_tmp"))).toEqual([young]);
});
