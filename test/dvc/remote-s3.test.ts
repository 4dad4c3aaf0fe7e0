/** Remotes in buckets: a real server, and a proxy before it that does harm. */
import { randomBytes } from "node:crypto";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { harmFirst, type S3Proxy, startS3Proxy } from "../support/s3-server-proxy.ts";
import { ADMIN, BUCKET, type S3Server, startSeaweed } from "../support/seaweed.ts";
import { listening, makeRepo, md5, type Repo, randomFiles, remoteConfig } from "./remote-room.ts";

let server: S3Server;
let proxy: S3Proxy;
let repo: Repo;

const MIB = 1024 * 1024;

beforeAll(async () => {
  server = await startSeaweed();
});
afterAll(() => server.stop());
beforeEach(async () => {
  proxy = await startS3Proxy(server.endpoint);
  const url = `s3://${BUCKET}/data/${randomBytes(4).toString("hex")}`;
  repo = await makeRepo(
    remoteConfig("cloud", url, `    endpointurl = ${proxy.endpoint}\n    region = us-east-1\n`),
  );
  await writeFile(
    join(repo.folder, ".dvc/config.local"),
    `['remote "cloud"']\n    access_key_id = ${ADMIN.accessKey}\n    secret_access_key = ${ADMIN.secretKey}\n`,
  );
});
afterEach(async () => {
  await repo.remove();
  await proxy.stop();
});

/** Keys in the bucket that requests of an operation were about, without the prefix of the remote. */
const keys = (operation: string): string[] =>
  proxy.requests
    .filter((seen) => seen.operation === operation)
    .map(({ key }) => key.split("/").slice(2).join("/"));

test("what is pushed comes back as it was, with one request for each small file", async () => {
  const large = randomBytes(20 * MIB);
  await repo.file("large.bin", large);
  const files = { ...randomFiles(10, 1000), empty: Buffer.alloc(0) };
  const folder = await repo.data("set", files);
  expect(await repo.push([], "", listening())).toMatchObject({ objects: 13, present: 0 });
  expect(proxy.counts()).toMatchObject({ PutObject: 12, UploadPart: 3, CompleteMultipartUpload: 1 });
  const listing = `files/md5/${folder.slice(0, 2)}/${folder.slice(2)}`;
  expect(keys("PutObject").at(-1)).toBe(listing);
  proxy.requests.length = 0;
  expect(await repo.push()).toEqual({ objects: 0, bytes: 0, present: 13 });
  expect(proxy.counts()).toEqual({ HeadObject: 13 });
  await repo.forget();
  proxy.requests.length = 0;
  const work = listening();
  const fetched = await repo.fetch([], "", work);
  const all = [large, ...Object.values(files), await readFile(repo.object(folder))];
  expect(fetched).toEqual({
    objects: 13,
    bytes: all.reduce((sum, { length }) => sum + length, 0),
    present: 0,
  });
  expect(work.told.at(-1)?.bytesDone).toBe(fetched.bytes);
  for (const bytes of all.slice(0, -1))
    expect((await readFile(repo.object(md5(bytes)))).equals(bytes)).toBe(true);
});

test("of many objects those that are there are found by few listings", async () => {
  await repo.data("set", randomFiles(1100, 8));
  await repo.push();
  await repo.data("more", { ...randomFiles(10, 9) });
  await repo.data("set2", randomFiles(300, 10));
  proxy.requests.length = 0;
  expect(await repo.push()).toMatchObject({ objects: 312, present: 1101 });
  const { ListObjectsV2 = 0, HeadObject = 0, PutObject } = proxy.counts();
  expect(PutObject).toBe(312);
  // 1413 are wanted, and 1101 lie there: two pages are enough for one worker, and each of 16 begins with its own.
  expect(ListObjectsV2).toBeLessThanOrEqual(18);
  expect(HeadObject).toBe(0);
});

test("harm on the way is told or mended, and nothing damaged enters the cache or the bucket", async () => {
  const bytes = randomBytes(5000);
  const hash = await repo.file("a.bin", bytes);
  proxy.harm = harmFirst(1, "PutObject", { kind: "spoil request" });
  await expect(repo.push()).rejects.toMatchObject({
    kind: "remote",
    message: expect.stringContaining("BadDigest"),
  });
  proxy.harm = harmFirst(2, "PutObject", { kind: "answer", status: 503, code: "SlowDown" });
  await repo.push();
  for (const harm of [
    { kind: "spoil" },
    { kind: "cut", bytes: 100 },
    { kind: "answer", status: 503, code: "SlowDown" },
  ] as const) {
    await repo.forget();
    proxy.harm = harmFirst(1, "GetObject", harm);
    expect(await repo.fetch()).toMatchObject({ objects: 1, bytes: 5000 });
    expect((await readFile(repo.object(hash))).equals(bytes)).toBe(true);
  }
  await repo.forget();
  proxy.harm = harmFirst(100, "GetObject", { kind: "spoil" });
  await expect(repo.fetch()).rejects.toMatchObject({ kind: "corrupt", field: "a.bin" });
  await expect(stat(repo.object(hash))).rejects.toThrow("ENOENT");
  expect(await readdir(join(repo.folder, ".dvc/cache/pkx-tmp"))).toEqual([]);
});

test("a damaged object of the cache is never sent, be it small or large", async () => {
  for (const size of [1000, 9 * MIB]) {
    const hash = await repo.file("a.bin", randomBytes(size));
    await rm(repo.object(hash));
    await writeFile(repo.object(hash), randomBytes(size), { mode: 0o444 });
    await expect(repo.push()).rejects.toMatchObject({ kind: "corrupt", field: repo.object(hash) });
  }
  expect(Object.keys(proxy.counts())).toEqual(["HeadObject"]);
});

test("a server that is away, a wrong key and a bucket that is not there are told without secrets", async () => {
  await repo.file("a.bin", randomBytes(10));
  const config = (endpoint: string, more = "") =>
    repo.configure(
      remoteConfig(
        "cloud",
        `s3://${BUCKET}/x`,
        `    endpointurl = ${endpoint}\n    region = us-east-1\n${more}`,
      ),
    );
  await config("http://127.0.0.1:1");
  await expect(repo.push()).rejects.toMatchObject({
    kind: "remote",
    field: 'remote "cloud"',
    message: expect.stringMatching(/^The remote `cloud` cannot be used: .*ECONNREFUSED/),
  });
  await repo.configure(
    remoteConfig(
      "cloud",
      "s3://no-such-bucket-anywhere/x",
      `    endpointurl = ${proxy.endpoint}\n    region = us-east-1\n`,
    ),
  );
  await expect(repo.push()).rejects.toMatchObject({
    kind: "remote",
    mend: expect.stringContaining("remote `cloud`"),
  });
  await writeFile(
    join(repo.folder, ".dvc/config.local"),
    "['remote \"cloud\"']\n    access_key_id = WRONGID\n    secret_access_key = verysecret\n",
  );
  await config(proxy.endpoint);
  const refused = await repo.push().catch((error: unknown) => error);
  expect(refused).toMatchObject({ kind: "remote" });
  expect(JSON.stringify(refused) + String((refused as Error).stack)).not.toMatch(/verysecret|WRONGID/);
});

test("keys come from the environment, from a file of credentials, and each half alone is refused", async () => {
  await repo.file("a.bin", randomBytes(10));
  const local = join(repo.folder, ".dvc/config.local");
  await rm(local);
  await writeFile(
    join(repo.folder, "keys"),
    `[other]\naws_access_key_id = no\naws_secret_access_key = no\n[mine]\naws_access_key_id = ${ADMIN.accessKey}\naws_secret_access_key = ${ADMIN.secretKey}\n`,
  );
  await writeFile(local, "['remote \"cloud\"']\n    credentialpath = ../keys\n    profile = mine\n");
  expect(await repo.push()).toMatchObject({ objects: 1 });
  await writeFile(local, "['remote \"cloud\"']\n    secret_access_key = verysecret\n");
  await expect(repo.push()).rejects.toMatchObject({ kind: "invalid", field: 'remote "cloud".access_key_id' });
  await writeFile(local, "['remote \"cloud\"']\n    ssl_verify = false\n");
  await expect(repo.push()).rejects.toMatchObject({ kind: "invalid", field: 'remote "cloud".ssl_verify' });
  await rm(local);
  Object.assign(repo.env, server.env());
  expect(await repo.push()).toMatchObject({ objects: 0, present: 1 });
});
