import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ContentStore, openContentStore } from "../../daemon/content/index.ts";
import { never, sha256 } from "../contract/registry-harness.ts";

let state: string;
let source: string;
let store: ContentStore;
const kept = { staged: false };
const staged = { staged: true };

beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), "pkx-content-"));
  source = join(state, "source");
  await mkdir(source);
  store = await openContentStore({ stateFolder: state });
});
afterEach(() => rm(state, { recursive: true, force: true }));

const unreadable = (path: string) => ({
  code: "ARTIFACT_UNREADABLE",
  field: path,
  message: expect.stringContaining(path),
});

test("takes in a file, read-only, by its digest", async () => {
  await writeFile(join(source, "a"), "hello");
  expect(await store.ingest(join(source, "a"), kept, never)).toEqual([
    { path: "", sha256: sha256("hello"), size: 5 },
  ]);
  const path = store.pathOf(sha256("hello"));
  expect(path).toBe(join(state, "content/sha256", sha256("hello").slice(0, 2), sha256("hello").slice(2)));
  expect(await readFile(path, "utf8")).toBe("hello");
  expect((await stat(path)).mode & 0o777).toBe(0o400);
  // The copy is none of the source's business any more.
  await writeFile(join(source, "a"), "changed");
  expect(await readFile(path, "utf8")).toBe("hello");
});

test("takes in a folder, sorted, each content once", async () => {
  await mkdir(join(source, "sub/deep"), { recursive: true });
  const large = Buffer.alloc(3 * 1024 * 1024 + 1, "0123456789");
  for (const [name, content] of [
    ["b", "same"],
    ["a.txt", "same"],
    ["sub/z", large],
    ["sub/deep/empty", ""],
  ] as const) {
    await writeFile(join(source, name), content);
  }
  await symlink("../b", join(source, "sub/link"));
  expect(await store.ingest(source, kept, never)).toEqual([
    { path: "a.txt", sha256: sha256("same"), size: 4 },
    { path: "b", sha256: sha256("same"), size: 4 },
    { path: "sub/deep/empty", sha256: sha256(""), size: 0 },
    { path: "sub/link", sha256: sha256("same"), size: 4 },
    { path: "sub/z", sha256: sha256(large), size: large.length },
  ]);
  expect(await readdir(join(state, "content/tmp"))).toEqual([]);
  expect((await readFile(store.pathOf(sha256(large)))).equals(large)).toBe(true);
});

test("shares staged files and leaves their names, and takes only staged ones", async () => {
  const folder = join(state, "staging/upload");
  await mkdir(folder);
  await writeFile(join(folder, "one"), "1");
  await link(join(folder, "one"), join(folder, "two"));
  await symlink("one", join(folder, "three"));
  expect((await store.ingest(folder, staged, never)).map((file) => file.path)).toEqual([
    "one",
    "three",
    "two",
  ]);
  // A crash before the record is durable must leave them for the replay.
  expect((await store.ingest(folder, staged, never)).map((file) => file.path)).toHaveLength(3);

  await writeFile(join(state, "staging/single"), "moved");
  const { ino } = await stat(join(state, "staging/single"));
  await store.ingest(join(state, "staging/single"), staged, never);
  // Linked, not copied.
  expect((await stat(store.pathOf(sha256("moved")))).ino).toBe(ino);

  await writeFile(join(source, "mine"), "x");
  await symlink(join(source, "mine"), join(state, "staging/trick"));
  for (const path of [
    join(source, "mine"),
    join(state, "staging/trick"),
    join(state, "staging/../source/mine"),
  ]) {
    await expect(store.ingest(path, staged, never)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      field: "path",
    });
  }
  expect(await readFile(join(source, "mine"), "utf8")).toBe("x");
});

test("refuses what it cannot read, by name", async () => {
  const missing = join(source, "missing");
  await expect(store.ingest(missing, kept, never)).rejects.toMatchObject(unreadable(missing));
  await expect(store.ingest("relative/path", kept, never)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });

  const cases: [string, (at: string) => Promise<void>][] = [
    ["out", (at) => symlink("/etc/hostname", at)],
    ["nowhere", (at) => symlink("not-there", at)],
    ["circle", (at) => symlink(".", at)],
  ];
  for (const [name, make] of cases) {
    await make(join(source, name));
    await expect(store.ingest(source, kept, never)).rejects.toMatchObject(unreadable(join(source, name)));
    await rm(join(source, name));
  }
  if (process.getuid?.() !== 0) {
    await writeFile(join(source, "secret"), "x", { mode: 0o000 });
    await expect(store.ingest(source, kept, never)).rejects.toMatchObject(unreadable(join(source, "secret")));
  }
  expect(await readdir(join(state, "content/tmp"))).toEqual([]);
});

test("stops when cancelled, without litter", async () => {
  await writeFile(join(source, "sparse"), "");
  await truncate(join(source, "sparse"), 256 * 1024 * 1024);
  const stop = new AbortController();
  const ingesting = store.ingest(join(source, "sparse"), kept, stop.signal);
  setTimeout(() => stop.abort(), 20);
  await expect(ingesting).rejects.toThrow();
  expect(await readdir(join(state, "content/tmp"))).toEqual([]);
});

test("replaces a content file that was cut short", async () => {
  await writeFile(join(source, "a"), "content");
  await store.ingest(source, kept, never);
  const path = store.pathOf(sha256("content"));
  await chmod(path, 0o600);
  await truncate(path, 3);
  await store.ingest(source, kept, never);
  expect(await readFile(path, "utf8")).toBe("content");
});
