/** Uploads that are killed or cancelled leave nothing visible, and are gone on with. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type S3Proxy, startS3Proxy } from "../support/s3-server-proxy.ts";
import type { S3Server } from "../support/seaweed.ts";
import { collect, MIB, never, type Room, through } from "./room.ts";
import { withServer } from "./server.ts";

let server: S3Server;
let room: Room;
let proxy: S3Proxy;
let spec: string;

withServer((started, made) => {
  [server, room] = [started, made];
});
beforeEach(async () => {
  proxy = await startS3Proxy(server.endpoint);
  spec = through(server.newSpec(), proxy.endpoint);
});
afterEach(() => proxy.stop());

const SIZE = 42 * MIB;
const PARTS = 9;

/** Starts to send the file in another process, and kills it once `parts` parts are with the server and no other. */
async function killAfter(parts: number, path: string): Promise<void> {
  let [started, answered] = [0, 0];
  let child: ChildProcess | undefined;
  proxy.harm = ({ operation }) =>
    operation === "UploadPart" && ++started > parts ? { kind: "hang" } : undefined;
  proxy.answered = ({ operation }) => {
    if (operation === "UploadPart" && ++answered === parts) child?.kill("SIGKILL");
  };
  const script = join(import.meta.dirname, "uploader.ts");
  child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", script, spec, "m/w", path, room.scratch],
    { env: server.env(), stdio: ["ignore", "ignore", "inherit"] },
  );
  await once(child, "exit");
  expect(child.signalCode).toBe("SIGKILL");
  proxy.harm = () => undefined;
  proxy.requests.length = 0;
}

test.each(["crc32", "sha256", "md5"])(
  "after kill -9 no part that has arrived is sent again, %s",
  async (checksum) => {
    spec += `&checksum=${checksum}`;
    const { path, content } = await room.file(SIZE);
    const stored = 5;
    await killAfter(stored, path);
    const backend = room.open(spec);
    expect(await backend.info("m/w", never)).toBeUndefined();
    const blob = await backend.receive({ kind: "file", path }, never);
    const told: number[] = [];
    expect(await blob.publish("m/w", never, (done) => told.push(done))).toBe(true);
    const parts = proxy.requests.filter(({ operation }) => operation === "UploadPart");
    expect(parts).toHaveLength(PARTS - stored);
    expect(parts.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(SIZE - stored * 5 * MIB);
    expect(proxy.counts()["CreateMultipartUpload"]).toBeUndefined();
    expect(told).toContain(stored * 5 * MIB);
    expect(told.at(-1)).toBe(SIZE);
    expect((await collect(backend.read("m/w", 0, never))).equals(content)).toBe(true);
    const left = backend.litter({ olderThanMs: -60_000, remove: false }, never);
    expect((await Array.fromAsync(left)).filter(({ what }) => what.startsWith("multipart"))).toEqual([]);
  },
);

test("an upload that was begun with other checksums is begun anew", async () => {
  const { path, content } = await room.file(SIZE);
  const plain = spec;
  spec += "&checksum=sha256";
  await killAfter(2, path);
  const backend = room.open(plain);
  await (await backend.receive({ kind: "file", path }, never)).publish("m/w", never);
  expect(proxy.counts()).toMatchObject({ CreateMultipartUpload: 1, CompleteMultipartUpload: 1 });
  expect((await collect(backend.read("m/w", 0, never))).equals(content)).toBe(true);
});

test("a part that is changed on its way is refused by the server, and is not signed for", async () => {
  const { path } = await room.file(7 * MIB);
  const backend = room.open(spec);
  const blob = await backend.receive({ kind: "file", path }, never);
  proxy.harm = ({ operation }) => (operation === "UploadPart" ? { kind: "spoil request" } : undefined);
  await expect(blob.publish("m/w", never)).rejects.toMatchObject({
    name: "BackendRefused",
    message: expect.stringContaining("BadDigest"),
  });
  const [part] = proxy.requests.filter(({ operation }) => operation === "UploadPart");
  expect(part?.headers).toMatchObject({
    "x-amz-checksum-crc32": expect.stringMatching(/^.{8}$/),
    "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
  });
  const [put] = proxy.requests.filter(({ operation }) => operation === "PutObject");
  expect(put?.headers["x-amz-content-sha256"]).toMatch(/^[0-9a-f]{64}$/);
  proxy.harm = () => undefined;
  expect(await backend.info("m/w", never)).toBeUndefined();
});

test("another file's parts under the same key are not used", async () => {
  const first = await room.file(SIZE);
  await killAfter(4, first.path);
  const { path, content } = await room.file(SIZE);
  const backend = room.open(spec);
  await (await backend.receive({ kind: "file", path }, never)).publish("m/w", never);
  expect(proxy.counts()).toMatchObject({ UploadPart: PARTS, CreateMultipartUpload: 1 });
  expect((await collect(backend.read("m/w", 0, never))).equals(content)).toBe(true);
});

test("two who send one file at a time agree, and a collector that takes the parts away only delays them", async () => {
  const { path, content } = await room.file(SIZE);
  await killAfter(3, path);
  const [a, b] = [room.open(spec), room.open(spec)];
  const blobs = [
    await a.receive({ kind: "file", path }, never),
    await b.receive({ kind: "file", path }, never),
  ];
  await Promise.all(blobs.map((blob) => blob.publish("m/w", never)));
  expect((await collect(a.read("m/w", 0, never))).equals(content)).toBe(true);

  let collected = false;
  const [blob] = blobs;
  proxy.requests.length = 0;
  const publishing = blob?.publish("m/again", never, (done) => {
    if (done === 0 || collected) return;
    collected = true;
    collecting = Array.fromAsync(b.litter({ olderThanMs: -60_000, remove: true }, never));
  });
  let collecting: Promise<unknown> | undefined;
  expect(await publishing).toBe(true);
  await collecting;
  expect(collected).toBe(true);
  expect((await collect(a.read("m/again", 0, never))).equals(content)).toBe(true);
});

test("cancelled at each request it leaves nothing visible", async () => {
  const { path } = await room.file(12 * MIB);
  const backend = room.open(spec);
  const blob = await backend.receive({ kind: "file", path }, never);
  for (const operation of ["HeadObject", "ListMultipartUploads", "CreateMultipartUpload", "UploadPart"]) {
    const stop = new AbortController();
    proxy.harm = (seen) => {
      if (seen.operation === operation) stop.abort(new Error("enough"));
      return undefined;
    };
    await expect(blob.publish("m/w", stop.signal)).rejects.toThrow("enough");
    proxy.harm = () => undefined;
    expect(await backend.list("", { limit: 10 }, never)).toEqual([]);
  }
});

const MEMORY_MIB = 256;
test(`${MEMORY_MIB} MiB out and in grow a process by less than 128 MiB`, { timeout: 120_000 }, async () => {
  const { path } = await room.file(MEMORY_MIB * MIB);
  const script = join(import.meta.dirname, "uploader.ts");
  const direct = through(spec, server.endpoint);
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", script, direct, "m/w", path, room.scratch, "real"],
    { env: server.env(), stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await once(child, "exit");
  const { before, sent, read, fetched } = JSON.parse(output.slice(output.indexOf("{")));
  const grown = [sent, read, fetched].map((peak) => Math.round((peak - before) / MIB));
  console.log(
    `peak growth after send, read and fetch: ${grown.join(", ")} MiB from ${Math.round(before / MIB)} MiB`,
  );
  expect(Math.max(...grown)).toBeLessThan(128);
});
