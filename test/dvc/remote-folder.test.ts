/** Remotes that are folders: what is pushed, fetched, found missing or damaged, and what is left when work ends early. */
import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listening, makeRepo, md5, type Repo, randomFiles, remoteConfig } from "./remote-room.ts";

let repo: Repo;
let storage: string;

beforeEach(async () => {
  storage = join(await mkdtemp(join(tmpdir(), "pkx-remote-")), "storage");
  repo = await makeRepo(remoteConfig("near", storage));
});
afterEach(async () => {
  await repo.remove();
  await rm(dirname(storage), { recursive: true, force: true });
});

const inRemote = (hash: string): string => join(storage, "files/md5", hash.slice(0, 2), hash.slice(2));

test("what is pushed is there whole and read-only, is not pushed again, and comes back as it was", async () => {
  const file = await repo.file("a.bin", randomBytes(3_000_000));
  const files = randomFiles(20, 1000);
  files["same.bin"] = files["part/0.bin"] ?? Buffer.alloc(0);
  files["empty"] = Buffer.alloc(0);
  const folder = await repo.data("set", files);
  const work = listening();
  // 20 files and the empty one; the listing; the file.
  expect(await repo.push([], "", work)).toMatchObject({ objects: 23, present: 0 });
  expect(work.told.at(-1)).toMatchObject({ phase: "sending", filesDone: 23, filesTotal: 23 });
  expect(work.told.at(-1)?.bytesDone).toBe(work.told.at(-1)?.bytesTotal);
  for (const hash of [file, folder]) expect((await stat(inRemote(hash))).mode & 0o7777).toBe(0o444);
  expect(await repo.push()).toEqual({ objects: 0, bytes: 0, present: 23 });
  const before = await readFile(repo.object(folder));
  await repo.forget();
  const fetching = listening();
  expect(await repo.fetch([], "", fetching)).toMatchObject({ objects: 23, present: 0 });
  expect(fetching.told.at(-1)).toMatchObject({ phase: "fetching", filesDone: 23, filesTotal: 23 });
  expect((await readFile(repo.object(folder))).equals(before)).toBe(true);
  for (const bytes of Object.values(files)) {
    expect((await readFile(repo.object(md5(bytes)))).equals(bytes)).toBe(true);
    expect((await stat(repo.object(md5(bytes)))).mode & 0o7777).toBe(0o444);
  }
  expect(await repo.fetch()).toEqual({ objects: 0, bytes: 0, present: 23 });
});

test("a damaged object of the cache is named and never sent", async () => {
  const hash = await repo.file("a.bin", randomBytes(1000));
  await chmod(repo.object(hash), 0o644);
  await writeFile(repo.object(hash), "other bytes");
  await chmod(repo.object(hash), 0o444);
  await expect(repo.push()).rejects.toMatchObject({
    kind: "corrupt",
    message: expect.stringContaining("a.bin"),
    field: repo.object(hash),
  });
  expect(await readdir(dirname(inRemote(hash)))).toEqual([]);
});

test("a damaged object of the remote is replaced by the next push, and never enters a cache", async () => {
  const hash = await repo.file("a.bin", randomBytes(1000));
  await repo.push();
  await chmod(inRemote(hash), 0o644);
  await writeFile(inRemote(hash), randomBytes(1000));
  const kept = await readFile(repo.object(hash));
  await repo.forget();
  await expect(repo.fetch()).rejects.toMatchObject({
    kind: "corrupt",
    message: expect.stringMatching(/What `near` .* has of a\.bin .* is damaged/),
  });
  await expect(stat(repo.object(hash))).rejects.toThrow("ENOENT");
  await repo.file("a.bin", kept);
  expect(await repo.push()).toMatchObject({ objects: 1 });
  expect((await readFile(inRemote(hash))).equals(kept)).toBe(true);
});

test("what nobody has is named, with the remotes that were searched", async () => {
  await repo.file("here.bin", randomBytes(10));
  await repo.push();
  await repo.data("set", { "sub/x.bin": Buffer.from("x"), "sub/y.bin": Buffer.from("y") });
  await mkdir(join(dirname(storage), "far"));
  await repo.configure(
    `${remoteConfig("near", storage)}['remote "far"']\n    url = ${join(dirname(storage), "far")}\n`,
  );
  await rm(repo.object(md5(Buffer.from("x"))));
  await expect(repo.fetch()).rejects.toMatchObject({
    kind: "not-found",
    field: "set/sub/x.bin",
    message: expect.stringMatching(/^Nobody has set\/sub\/x\.bin .*`near` \(.*storage\), `far` \(.*far\)\.$/),
  });
  await expect(repo.push()).rejects.toMatchObject({ kind: "not-found", field: "set/sub/x.bin" });
  await expect(repo.fetch(["0".repeat(32)])).rejects.toMatchObject({
    kind: "not-found",
    message: expect.stringContaining("the object 00000000"),
  });
});

test("all remotes are searched, the default one first; a named one alone; a target's own one alone", async () => {
  const far = join(dirname(storage), "far");
  await repo.configure(
    `${remoteConfig("near", storage)}['remote "Far"']\n    url = ${relative(join(repo.folder, ".dvc"), far)}\n`,
  );
  await mkdir(storage);
  const hash = await repo.file("a.bin", randomBytes(10));
  await repo.push([], "far");
  await repo.forget();
  await expect(repo.fetch([], "near")).rejects.toMatchObject({ kind: "not-found" });
  expect(await repo.fetch()).toMatchObject({ objects: 1 });
  await repo.forget();
  expect(await repo.fetch([hash])).toMatchObject({ objects: 1 });
  const own = await repo.file("own.bin", randomBytes(10), "  remote: far\n");
  await repo.push(["own.bin"]);
  expect(await readdir(join(far, "files/md5", own.slice(0, 2)))).toEqual([own.slice(2)]);
  const held = await repo.file("held.bin", randomBytes(10), "  push: false\n");
  expect(await repo.push([], "near")).toMatchObject({ objects: 1, present: 0 });
  await expect(stat(inRemote(held))).rejects.toThrow("ENOENT");
});

test("a remote that is away is named as such, unless another one has everything", async () => {
  const hash = await repo.file("a.bin", randomBytes(10));
  await repo.push();
  await repo.forget();
  await repo.configure(
    `${remoteConfig("gone", "/nonexistent/mount")}['remote "near"']\n    url = ${storage}\n['remote "odd"']\n    url = gs://bucket\n`,
  );
  expect(await repo.fetch()).toMatchObject({ objects: 1 });
  await expect(repo.fetch(["1".repeat(32)])).rejects.toMatchObject({
    kind: "remote",
    message: expect.stringMatching(
      /`gone` cannot be used: the folder \/nonexistent\/mount does not exist.*`near`/,
    ),
  });
  await repo.forget();
  await expect(repo.fetch([hash], "odd")).rejects.toMatchObject({
    message: expect.stringContaining("gs://"),
  });
});

test("the layout of DVC 2 is read", async () => {
  const text = Buffer.from("one\r\ntwo\r\n");
  const unix = md5(Buffer.from("one\ntwo\n"));
  const plain = await repo.file("plain.bin", Buffer.from("plain"));
  await repo.forget();
  for (const [hash, bytes] of [
    [unix, text],
    [plain, Buffer.from("plain")],
  ] as const) {
    await mkdir(join(storage, hash.slice(0, 2)), { recursive: true });
    await writeFile(join(storage, hash.slice(0, 2), hash.slice(2)), bytes);
  }
  // Without `hash: md5` a record is one of DVC 2.
  await writeFile(join(repo.folder, "old.txt.dvc"), `outs:\n- md5: ${unix}\n  size: 10\n  path: old.txt\n`);
  expect(await repo.fetch()).toMatchObject({ objects: 2 });
  const old = join(repo.folder, ".dvc/cache", unix.slice(0, 2), unix.slice(2));
  expect((await readFile(old)).equals(text)).toBe(true);
  expect(await repo.push(["old.txt"])).toMatchObject({ objects: 0, present: 1 });
});

test("a cancelled push or fetch leaves nothing half, and goes on when it is begun anew", async () => {
  await repo.data("set", randomFiles(50, 50_000));
  for (const move of ["push", "fetch"] as const) {
    if (move === "fetch") await repo.forget();
    const stop = new AbortController();
    const work = listening(stop.signal);
    const told = {
      ...work,
      onProgress: (progress: { filesDone: number }) => {
        if (progress.filesDone === 20) stop.abort(new Error("enough"));
      },
    };
    await expect(repo[move]([], "", told)).rejects.toThrow("enough");
    const root = move === "push" ? storage : join(repo.folder, ".dvc/cache");
    const names = await readdir(root, { recursive: true, withFileTypes: true });
    const left = names.filter((entry) => entry.isFile());
    expect(left.length).toBeGreaterThanOrEqual(20);
    expect(left.length).toBeLessThan(51);
    for (const entry of left)
      expect((await stat(join(entry.parentPath, entry.name))).mode & 0o7777).toBe(0o444);
    if (move === "push") expect(left.filter(({ name }) => name.endsWith(".dir"))).toEqual([]);
    const rest = await repo[move]();
    expect(rest.objects + rest.present).toBe(51);
    expect(rest.present).toBe(left.length);
  }
});

test("what a killed process left beside the cache is removed after a day", async () => {
  const hash = await repo.file("a.bin", randomBytes(10));
  await repo.push();
  await repo.forget();
  const temps = join(repo.folder, ".dvc/cache/pkx-tmp");
  await mkdir(temps, { recursive: true });
  for (const name of ["old", "young"]) await writeFile(join(temps, name), "half");
  await utimes(join(temps, "old"), 1, 1);
  expect(await repo.fetch([hash])).toMatchObject({ objects: 1 });
  expect(await readdir(temps)).toEqual(["young"]);
});

test("a part of a folder is fetched alone; pushed alone, its listing waits for the rest", async () => {
  const hash = await repo.data("set", { "a/1": Buffer.from("1"), "b/2": Buffer.from("2") });
  expect(await repo.push(["set/a"])).toMatchObject({ objects: 1 });
  await expect(stat(inRemote(hash))).rejects.toThrow("ENOENT");
  await repo.push();
  await repo.forget();
  expect(await repo.fetch(["set/b"])).toMatchObject({ objects: 2 });
  await expect(stat(repo.object(md5(Buffer.from("1"))))).rejects.toThrow("ENOENT");
});
