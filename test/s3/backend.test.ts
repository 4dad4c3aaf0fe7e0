/** The seam adapters/registry.ts, as the S3 backend keeps it on a real server. */
import { readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ObjectMissing, ObjectTooLarge, type RegistryBackend } from "@pipekit/adapters/registry";
import { beforeEach, expect, test } from "vitest";
import { startS3Proxy } from "../support/s3-server-proxy.ts";
import type { S3Server } from "../support/seaweed.ts";
import { collect, MIB, never, type Room, stream, through } from "./room.ts";
import { withServer } from "./server.ts";

let server: S3Server;
let room: Room;
let spec: string;
let backend: RegistryBackend;
const bytes = (text: string) => Buffer.from(text);

withServer((started, made) => {
  [server, room] = [started, made];
});
beforeEach(() => {
  spec = server.newSpec("&poll_ms=50");
  backend = room.open(spec);
});

test("of many who create a key one does", async () => {
  const others = [1, 2, 3].map(() => room.open(spec));
  const created = await Promise.all(
    Array.from({ length: 32 }, (_, i) => (others[i % 4] ?? backend).create("a/b", bytes(`${i}`), never)),
  );
  const versions = created.filter((version) => version !== undefined);
  expect(versions).toHaveLength(1);
  const found = await backend.get("a/b", never);
  expect(found?.version).toBe(versions[0]);
  expect(found?.bytes.toString()).toBe(`${created.findIndex((version) => version !== undefined)}`);
});

test("of many who replace a version one does, and of an old or removed version none", async () => {
  const other = room.open(spec);
  let version = await backend.create("k", bytes("first"), never);
  const old = version;
  for (const text of ["second", "third"]) {
    const replaced = await Promise.all(
      Array.from({ length: 16 }, (_, i) =>
        (i % 2 ? other : backend).replace("k", bytes(`${text} ${i}`), version ?? "", never),
      ),
    );
    const winners = replaced.filter((next) => next !== undefined);
    expect(winners).toHaveLength(1);
    version = winners[0];
    expect((await backend.get("k", never))?.version).toBe(version);
  }
  expect(await backend.replace("k", bytes("late"), old ?? "", never)).toBeUndefined();
  await backend.remove("k", never);
  await backend.remove("k", never);
  expect(await backend.replace("k", bytes("C"), version ?? "", never)).toBeUndefined();
  expect(await backend.get("k", never)).toBeUndefined();
  expect(await backend.info("k", never)).toBeUndefined();
});

test("lists by pages, without its own objects", async () => {
  const keys = ["Z/q", "_tags/x.txt", "a/0/z", "a/1", "b", "c.txt"];
  for (const key of keys) await backend.create(key, bytes(key), never);
  expect(await backend.list("", { limit: 100 }, never)).toEqual(keys);
  const paged: string[] = [];
  for (;;) {
    const after = paged.at(-1);
    const page = await backend.list("", { limit: 2, ...(after !== undefined && { after }) }, never);
    paged.push(...page);
    if (page.length < 2) break;
  }
  expect(paged).toEqual(keys);
  const folders = (options: object) => backend.list("", { limit: 100, folders: true, ...options }, never);
  expect(await folders({})).toEqual(["Z/", "_tags/", "a/"]);
  expect(await folders({ after: "_tags/" })).toEqual(["a/"]);
  expect(await folders({ after: "Z/", limit: 1 })).toEqual(["_tags/"]);
  expect(await backend.list("a/", { limit: 100, folders: true }, never)).toEqual(["a/0/"]);
  expect(await backend.list("none/", { limit: 100 }, never)).toEqual([]);
  const scanned = await backend.scan("a/", { limit: 10, after: "a/0/z" }, never);
  expect(scanned).toMatchObject([{ key: "a/1", size: 3 }]);
  expect(Math.abs((scanned[0]?.modifiedAtUs ?? 0) / 1000 - Date.now())).toBeLessThan(60_000);
});

test.each([0, 1, 3 * MIB, 6 * MIB, 12 * MIB + 1])("publishes %i bytes once, and reads them", async (size) => {
  const { path, content } = await room.file(size);
  const first = await backend.receive({ kind: "file", path }, never);
  expect(first.size).toBe(size);
  expect(await backend.info("m/w", never)).toBeUndefined();
  const told: number[] = [];
  expect(await first.publish("m/w", never, (done, total) => told.push(done, total))).toBe(true);
  expect(told.slice(-2)).toEqual([size, size]);
  const second = await backend.receive(stream(bytes("other")), never);
  expect(await second.publish("m/w", never)).toBe(false);
  await second.discard();
  expect(await readdir(room.scratch)).toEqual([]);
  await first.discard();
  expect((await stat(path)).size).toBe(size);
  expect(await backend.info("m/w", never)).toMatchObject({ key: "m/w", size, sha256: first.sha256 });
  for (const offset of [0, 1, MIB, size - 1, size]) {
    if (offset < 0 || offset > size) continue;
    const read = await collect(backend.read("m/w", offset, never));
    expect(read.equals(content.subarray(offset))).toBe(true);
  }
  for await (const chunk of backend.read("m/w", 0, never)) expect(chunk.length).toBeLessThanOrEqual(MIB);
  const target = join(room.files, `fetched-${size}`);
  told.length = 0;
  await backend.fetch?.("m/w", target, never, (done, total) => told.push(done, total));
  expect(told.slice(-2)).toEqual([size, size]);
  expect((await readFile(target)).equals(content)).toBe(true);
});

test("a small object that is too large is not read", async () => {
  const blob = await backend.receive(stream(Buffer.alloc(16 * MIB + 1)), never);
  await blob.publish("large", never);
  await blob.discard();
  await expect(backend.get("large", never)).rejects.toThrow(ObjectTooLarge);
});

test("passes encryption and storage class on", async () => {
  const proxy = await startS3Proxy(server.endpoint);
  // Probed before, without them.
  await room.open(through(spec, proxy.endpoint)).create("first", bytes("x"), never);
  proxy.requests.length = 0;
  proxy.harm = ({ operation }) =>
    operation === "PutObject" || operation === "CreateMultipartUpload" || operation === "CopyObject"
      ? { kind: "answer", status: 400, code: "Enough" }
      : undefined;
  const { path } = await room.file(7 * MIB);
  await (await backend.receive({ kind: "file", path }, never)).publish("m/from", never);
  const query = "&sse=aws:kms&kms_key=alias/models&storage_class=STANDARD_IA";
  const encrypted = room.open(through(`${spec}${query}`, proxy.endpoint));
  const blob = await encrypted.receive({ kind: "file", path }, never);
  await expect(encrypted.create("k", bytes("x"), never)).rejects.toThrow("Enough");
  await expect(blob.publish("m/w", never)).rejects.toThrow("Enough");
  await expect(encrypted.copy?.("m/from", "m/to", never)).rejects.toThrow("Enough");
  const writes = proxy.requests.filter(({ operation }) => /^(Put|Create|Copy)/.test(operation));
  expect(new Set(writes.map(({ operation }) => operation)).size).toBe(3);
  for (const { headers } of writes) {
    expect(headers).toMatchObject({
      "x-amz-server-side-encryption": "aws:kms",
      "x-amz-server-side-encryption-aws-kms-key-id": "alias/models",
      "x-amz-storage-class": "STANDARD_IA",
    });
  }
  await proxy.stop();
});

test("names what is not there", async () => {
  await expect(collect(backend.read("m/none", 0, never))).rejects.toThrow(ObjectMissing);
  const target = join(room.files, "none");
  await expect(backend.fetch?.("m/none", target, never)).rejects.toThrow(ObjectMissing);
  await expect(stat(target)).rejects.toThrow("ENOENT");
  const missing = backend.receive({ kind: "file", path: "/not/there" }, never);
  await expect(missing).rejects.toMatchObject({ name: "SourceUnreadable", path: "/not/there" });
  for (const key of ["../x", "/x", "a/../../x", "a//b", ""]) {
    await expect(backend.get(key, never)).rejects.toThrow("no key");
  }
});

test("takes a staged file for its own once it has received it", async () => {
  const { path } = await room.file(10);
  const stopped = AbortSignal.abort();
  await expect(backend.receive({ kind: "staged", path }, stopped)).rejects.toThrow();
  const blob = await backend.receive({ kind: "staged", path }, never);
  await blob.publish("m/s", never);
  await blob.discard();
  await expect(stat(path)).rejects.toThrow("ENOENT");
});

test.each([1, 6])(
  "publishes nothing of a file of %i MiB that was changed after it was received",
  async (mib) => {
    const { path, content } = await room.file(mib * MIB);
    const blob = await backend.receive({ kind: "file", path }, never);
    content[0] = (content[0] ?? 0) ^ 1;
    await writeFile(path, content);
    await expect(blob.publish("m/c", never)).rejects.toMatchObject({ name: "SourceUnreadable" });
    expect(await backend.info("m/c", never)).toBeUndefined();
    const left = await Array.fromAsync(backend.litter({ olderThanMs: -60_000, remove: false }, never));
    expect(left).toEqual([]);
  },
);

test.each(["checksum=crc32", "checksum=sha256", "checksum=md5"])(
  "sends and resumes with %s",
  async (query) => {
    const other = room.open(`${spec}&${query}`);
    const { path } = await room.file(11 * MIB);
    const blob = await other.receive({ kind: "file", path }, never);
    const stop = new AbortController();
    const cancelled = blob.publish("m/r", stop.signal, (done) => {
      if (done > 0) stop.abort(new Error("enough"));
    });
    await expect(cancelled).rejects.toThrow("enough");
    expect(await other.info("m/r", never)).toBeUndefined();
    let resumedAt = 0;
    await blob.publish("m/r", never, (done) => {
      if (resumedAt === 0) resumedAt = done;
    });
    expect(resumedAt).toBeGreaterThanOrEqual(MIB);
    const target = join(room.files, query);
    await other.fetch?.("m/r", target, never);
    const again = await other.receive({ kind: "file", path: target }, never);
    expect(again.sha256).toBe(blob.sha256);
  },
);

test.each([{}, { copyPartsFrom: 6 * MIB, copyPartBytes: 5 * MIB }])(
  "copies within the bucket, %o",
  async (tuning) => {
    const copier = room.open(spec, { tuning });
    const { path, content } = await room.file(7 * MIB);
    await (await backend.receive({ kind: "file", path }, never)).publish("m/from", never);
    expect(await copier.copy?.("m/from", "m/to", never)).toBe(true);
    expect((await collect(copier.read("m/to", 0, never))).equals(content)).toBe(true);
    expect(await copier.info("m/to", never)).toMatchObject({
      sha256: (await backend.info("m/from", never))?.sha256,
    });
    expect(await copier.copy?.("m/none", "m/other", never)).toBe(false);
    await copier.create("m/kept", bytes("kept"), never);
    expect(await copier.copy?.("m/from", "m/kept", never)).toBe(true);
    expect((await copier.get("m/kept", never))?.bytes.toString()).toBe("kept");
  },
);

test("finds and removes what dead writers have left, when it is old enough", async () => {
  const { path } = await room.file(11 * MIB);
  const blob = await backend.receive({ kind: "file", path }, never);
  const stop = new AbortController();
  const cancelled = blob.publish("m/l", stop.signal, (done) => done > 0 && stop.abort(new Error("enough")));
  await expect(cancelled).rejects.toThrow("enough");
  await backend.create("_probe/left", bytes("probe"), never);
  const spool = join(room.scratch, "s3-left");
  await writeFile(spool, "spool");
  const hourAgo = Date.now() / 1000 - 3600;
  await utimes(spool, hourAgo, hourAgo);
  const find = (olderThanMs: number, remove: boolean) =>
    Array.fromAsync(backend.litter({ olderThanMs, remove }, never));
  expect(await find(1_800_000, false)).toEqual([{ what: "temporary file", bytes: 5 }]);
  // A clock that goes ahead: all is old.
  const all = await find(-60_000, true);
  expect(all.map((entry) => entry.what)).toEqual([
    "multipart upload of m/l",
    "object of a probe",
    "temporary file",
  ]);
  expect(all[0]?.bytes).toBeGreaterThanOrEqual(MIB);
  expect(await find(-60_000, false)).toEqual([]);
});

test("tells of changes made by others, once watched", async () => {
  const other = room.open(spec);
  let told = 0;
  let wake: () => void = () => undefined;
  const changed = (): void => {
    told++;
    wake();
  };
  const next = () => new Promise<void>((resolve) => (wake = resolve));
  const first = next();
  const stop = backend.watch("_tags/t.txt", changed);
  await first;
  const second = next();
  await other.create("_tags/t.txt", bytes("x"), never);
  await second;
  stop();
  expect(told).toBe(2);
});

test("without conditional writes, racers of one process still win alone", async () => {
  const unsafe = `${spec}&unsafe_without_conditional_writes=true`;
  const backends = [room.open(unsafe), room.open(unsafe)];
  expect(backends[0]?.properties.atomic).toBe(false);
  expect(backend.properties).toEqual({ atomic: true, serverClock: true });
  const created = await Promise.all(
    Array.from({ length: 16 }, (_, i) => backends[i % 2]?.create("u", bytes(`${i}`), never)),
  );
  const [version = ""] = created.filter((one) => one !== undefined);
  expect(created.filter((one) => one !== undefined)).toHaveLength(1);
  const replaced = await Promise.all(
    Array.from({ length: 16 }, (_, i) => backends[i % 2]?.replace("u", bytes(`next ${i}`), version, never)),
  );
  expect(replaced.filter((one) => one !== undefined)).toHaveLength(1);
});
