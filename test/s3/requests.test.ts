/** What each operation of a registry costs in requests. S3 is paid and waited for by the request: a rise is a regression. */
import { s3Registry } from "@pipekit/adapters/s3";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  collect,
  inProcess,
  move,
  never,
  newModel,
  type RegistryFixture,
  streamOf,
} from "../contract/registry-harness.ts";
import { type S3Proxy, startS3Proxy } from "../support/s3-server-proxy.ts";
import { type S3Server, startSeaweed } from "../support/seaweed.ts";
import { MIB, through } from "./room.ts";

let server: S3Server;
let proxy: S3Proxy;
let fixture: RegistryFixture;
beforeAll(async () => {
  server = await startSeaweed();
  proxy = await startS3Proxy(server.endpoint);
  const newSpec = () => through(server.newSpec(), proxy.endpoint);
  fixture = await inProcess({ kinds: [s3Registry], newSpec, env: server.env() });
});
afterAll(async () => {
  await fixture.close();
  await proxy.stop();
  await server.stop();
});

/** Of each operation. A lease is dropped behind the answer: its delete may be counted with the next one. */
const LIMITS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "store, small": { write: 4, list: 1, read: 5, delete: 2 },
  "store, there already": { write: 2, list: 1, read: 4, delete: 2 },
  "store, 24 MiB in 3 parts": { write: 10, list: 3, read: 5, delete: 2 },
  "resolve a tag": { write: 0, list: 0, read: 1, delete: 1 },
  promote: { write: 3, list: 1, read: 5, delete: 2 },
  "load, first time": { write: 0, list: 0, read: 5, delete: 1 },
  "load, again": { write: 0, list: 0, read: 3, delete: 1 },
  "list of 3 models": { write: 0, list: 2, read: 4, delete: 1 },
  "history of 2 moves": { write: 0, list: 0, read: 2, delete: 1 },
  "gc, dry, of 3 models": { write: 0, list: 17, read: 2, delete: 1 },
};

const PAGE = { pageSize: 0, pageToken: "" };
const PAID_AS: Readonly<Record<string, string>> = {
  PutObject: "write",
  CreateMultipartUpload: "write",
  UploadPart: "write",
  CompleteMultipartUpload: "write",
  ListObjectsV2: "list",
  ListMultipartUploads: "list",
  ListParts: "list",
  GetObject: "read",
  HeadObject: "read",
  DeleteObject: "delete",
};

/** Requests of a piece of work by what they are paid as: writes and lists cost about twelve reads, deletes nothing. */
async function cost(work: () => Promise<unknown>): Promise<Record<string, number>> {
  proxy.requests.length = 0;
  await work();
  const counts: Record<string, number> = { write: 0, list: 0, read: 0, delete: 0 };
  for (const [operation, count] of Object.entries(proxy.counts())) {
    const kind = PAID_AS[operation] ?? operation;
    counts[kind] = (counts[kind] ?? 0) + count;
  }
  return counts;
}

test("no operation takes more requests than it did", async () => {
  const { registry } = fixture;
  const weights = (text: string) => newModel({ weights: streamOf(text) });
  const first = await registry.store(weights("first"), never);
  const { hash } = first.model;
  await registry.tag(move("prod", hash), never);
  let second = "";
  const table: Record<string, Record<string, number>> = {};
  const measure = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    table[name] = await cost(work);
  };
  await measure("store, small", async () => {
    second = (await registry.store(weights("second"), never)).model.hash;
  });
  await measure("store, there already", () => registry.store(weights("second"), never));
  const chunk = Buffer.alloc(MIB, "weights");
  const big = newModel({ weights: streamOf(...Array.from({ length: 24 }, () => chunk)) });
  await measure("store, 24 MiB in 3 parts", () => registry.store(big, never));
  await measure("resolve a tag", () => registry.resolve("prod", never));
  await measure("promote", () =>
    registry.tag(move("prod", second, { force: true, moveId: "01JZ0000000000000000000001" }), never),
  );
  const fresh = await fixture.again();
  await measure("load, first time", async () => {
    const loaded = await fresh.load("prod", { byPath: false, offset: 0 }, never);
    await collect(loaded.weights);
  });
  await measure("load, again", async () => {
    const loaded = await fresh.load("prod", { byPath: false, offset: 0 }, never);
    await collect(loaded.weights);
  });
  const lister = await fixture.again();
  await measure("list of 3 models", () => lister.list({ ...PAGE, metadataFilterJson: "" }, never));
  await measure("history of 2 moves", () => registry.tagHistory("prod", PAGE, never));
  const plan = { policy: undefined, apply: false, actor: "tester" };
  await measure("gc, dry, of 3 models", () => Array.fromAsync(registry.gc(plan, never)));
  console.table(table);
  expect(Object.keys(table)).toEqual(Object.keys(LIMITS));
  for (const [name, counts] of Object.entries(table)) {
    for (const [kind, count] of Object.entries(counts)) {
      expect.soft(count, `${kind} requests of "${name}"`).toBeLessThanOrEqual(LIMITS[name]?.[kind] ?? 0);
    }
  }
});
