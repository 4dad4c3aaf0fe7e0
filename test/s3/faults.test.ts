/** What the network and the server may do: a real server behind a proxy that does harm. */
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { BackendUnavailable, type RegistryBackend } from "@pipekit/adapters/registry";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { type Harm, harmFirst, type S3Proxy } from "../support/s3-server-proxy.ts";
import type { S3Server } from "../support/seaweed.ts";
import { collect, IMPATIENT, inBucket, MIB, never, type Room, through } from "./room.ts";
import { behindProxy, withServer } from "./server.ts";

let server: S3Server;
let room: Room;
let proxy: S3Proxy;
let spec: string;
let backend: RegistryBackend;
const one = Buffer.from("one");

withServer((started, made) => {
  [server, room] = [started, made];
});
beforeEach(async () => {
  ({ proxy, spec, backend } = await behindProxy(server, room));
});
afterEach(() => proxy.stop());

describe("a server that is in trouble", () => {
  const troubles: readonly (readonly [string, Harm, RegExp])[] = [
    ["answers 500", { kind: "answer", status: 500, code: "InternalError" }, /answered 500/],
    ["answers 503 SlowDown", { kind: "answer", status: 503, code: "SlowDown" }, /too busy/],
    ["hangs", { kind: "hang" }, /does not answer/],
    ["cuts the line", { kind: "lose" }, /does not answer|ECONNRESET/],
  ];
  test.each(troubles)(
    "is waited for when it %s once, and unavailable when it goes on",
    async (_, harm, message) => {
      const impatient = room.open(spec, { tuning: IMPATIENT });
      const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
        ["GetObject", () => impatient.get("there", never)],
        ["HeadObject", () => impatient.info("there", never)],
        ["ListObjectsV2", () => impatient.list("", { limit: 5 }, never)],
        ["GetObject", () => collect(impatient.read("there", 0, never))],
        ["DeleteObject", () => impatient.remove("gone", never)],
      ];
      for (const [operation, call] of calls) {
        proxy.harm = harmFirst(1, operation, harm);
        await call();
        proxy.harm = harmFirst(1000, operation, harm);
        await expect(call()).rejects.toMatchObject({
          name: "BackendUnavailable",
          message: expect.stringMatching(message),
          mend: expect.any(String),
        });
      }
    },
  );

  test("is unavailable when nobody listens, and when its name is unknown", async () => {
    for (const endpoint of [`http://127.0.0.1:${await freePort()}`, "http://no-such-host.invalid"]) {
      const nobody = room.open(through(spec, endpoint));
      const failure = await nobody.get("k", never).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(BackendUnavailable);
    }
  });

  test.each([
    ["breaks off", { kind: "cut", bytes: 100_000 }],
    ["stalls", { kind: "stall", bytes: 100_000 }],
  ] as const)("in the middle of a body that %s is asked again for that range alone", async (_, harm) => {
    const { path, content } = await room.file(5 * MIB);
    await (await backend.receive({ kind: "file", path }, never)).publish("m/w", never);
    const target = join(room.files, `fetched-${Math.random()}`);
    const impatient = room.open(spec, { tuning: IMPATIENT });
    const reads: readonly (() => Promise<Buffer>)[] = [
      () => collect(impatient.read("m/w", 7, never)),
      async () => {
        await impatient.fetch?.("m/w", target, never);
        return (await readFile(target)).subarray(7);
      },
      async () => (await impatient.get("m/w", never))?.bytes.subarray(7) ?? Buffer.alloc(0),
    ];
    for (const read of reads) {
      proxy.harm = () => undefined;
      const before = proxy.requests.length;
      await read().then((bytes) => expect(bytes.equals(content.subarray(7))).toBe(true));
      const usual = proxy.requests.length - before;
      proxy.harm = harmFirst(1, "GetObject", harm);
      if (read === reads[1]) await rm(target);
      expect((await read()).equals(content.subarray(7))).toBe(true);
      expect(proxy.requests.length - before).toBe(2 * usual + 1);
    }
    proxy.harm = harmFirst(1000, "GetObject", harm);
    await expect(collect(impatient.read("m/w", 0, never))).rejects.toBeInstanceOf(BackendUnavailable);
    const failed = join(room.files, `failed-${Math.random()}`);
    await expect(impatient.fetch?.("m/w", failed, never)).rejects.toBeInstanceOf(BackendUnavailable);
    expect(await readdir(room.files)).not.toContain(failed.slice(room.files.length + 1));
  });

  test("whose object is replaced under a reader gives one version or none", async () => {
    const { path } = await room.file(9 * MIB);
    await (await backend.receive({ kind: "file", path }, never)).publish("m/v", never);
    const there = await backend.get("m/v", never);
    const chunks = room
      .open(spec, { tuning: { readAhead: 1 } })
      .read("m/v", 0, never)
      [Symbol.asyncIterator]();
    await chunks.next();
    const other = await room.file(9 * MIB);
    expect(await backend.replace("m/v", other.content, there?.version ?? "", never)).toBeDefined();
    const rest = async () => {
      for (;;) if ((await chunks.next()).done) return;
    };
    await expect(rest()).rejects.toThrow("was replaced while it was being read");
  });

  test("does not stop a watch, which sees the next change", async () => {
    let wake: () => void = () => undefined;
    const next = () => new Promise<void>((resolve) => (wake = resolve));
    const first = next();
    const stop = backend.watch("t", () => wake());
    await first;
    const changed = next();
    let failures = 0;
    const failed = new Promise<void>((resolve) => {
      proxy.harm = (seen) => {
        if (seen.operation !== "HeadObject") return undefined;
        // More than the retries of one look.
        if (++failures === 5) resolve();
        return { kind: "answer", status: 500, code: "InternalError" };
      };
    });
    await failed;
    await backend.create("t", one, never);
    proxy.harm = () => undefined;
    await changed;
    stop();
  });
});

describe("a lost answer", () => {
  test("to a create or replace that was carried out is found out", async () => {
    proxy.harm = harmFirst(1, "PutObject", { kind: "lose" });
    const version = await backend.create("c", one, never);
    expect(version).toBe((await backend.get("c", never))?.version);
    proxy.harm = harmFirst(1, "PutObject", { kind: "lose" });
    const next = await backend.replace("c", Buffer.from("two"), version ?? "", never);
    expect(next).toBe((await backend.get("c", never))?.version);
    // Somebody else's bytes are not ours, lost answer or not.
    proxy.harm = harmFirst(1, "PutObject", { kind: "lose" });
    expect(await backend.create("c", Buffer.from("three"), never)).toBeUndefined();
    expect(await backend.replace("c", one, version ?? "", never)).toBeUndefined();
  });

  test("to any request of an upload does not spoil it", async () => {
    const { path, content } = await room.file(11 * MIB);
    for (const operation of ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "ListParts"]) {
      const blob = await backend.receive({ kind: "file", path }, never);
      proxy.harm = harmFirst(1, operation, { kind: "lose" });
      await blob.publish(`m/${operation}`, never);
      expect((await collect(backend.read(`m/${operation}`, 0, never))).equals(content)).toBe(true);
    }
  });

  test("of a conflict is tried again", async () => {
    proxy.harm = harmFirst(3, "PutObject", {
      kind: "answer",
      status: 409,
      code: "ConditionalRequestConflict",
    });
    expect(await backend.create("conflict", one, never)).toBeDefined();
    proxy.harm = harmFirst(3, "PutObject", {
      kind: "answer",
      status: 409,
      code: "ConditionalRequestConflict",
    });
    expect(await backend.create("conflict", one, never)).toBeUndefined();
  });
});

test("a request that is cancelled ends at once, wherever it hangs", async () => {
  const patient = room.open(spec, { tuning: { silenceMs: 60_000 } });
  const { path } = await room.file(11 * MIB);
  const blob = await patient.receive({ kind: "file", path }, never);
  await blob.publish("m/there", never);
  const target = join(room.files, "cancelled");
  const calls: readonly (readonly [string, Harm, (signal: AbortSignal) => Promise<unknown>])[] = [
    ["GetObject", { kind: "hang" }, (signal) => patient.get("there", signal)],
    ["GetObject", { kind: "stall", bytes: 9 }, (signal) => collect(patient.read("m/there", 0, signal))],
    ["GetObject", { kind: "stall", bytes: 9 }, async (signal) => patient.fetch?.("m/there", target, signal)],
    ["PutObject", { kind: "hang" }, (signal) => patient.create("new", one, signal)],
    ["UploadPart", { kind: "hang" }, (signal) => blob.publish("m/new", signal)],
    ["CompleteMultipartUpload", { kind: "hang" }, (signal) => blob.publish("m/new", signal)],
  ];
  for (const [operation, harm, call] of calls) {
    const stop = new AbortController();
    proxy.harm = (seen) => {
      if (seen.operation !== operation) return undefined;
      setTimeout(() => stop.abort(new Error("enough")), 50);
      return harm;
    };
    await expect(call(stop.signal)).rejects.toThrow("enough");
  }
  proxy.harm = () => undefined;
  expect(await backend.list("", { limit: 10 }, never)).toEqual(["m/there", "there"]);
  expect(await readdir(room.files)).not.toContain("cancelled");
  expect(proxy.requests.some(({ key }) => key === inBucket(spec, "m/new"))).toBe(true);
});
