/** A server is refused unless it keeps every primitive that the registry relies on. */
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { type FakeS3Kind, startFakeS3 } from "../support/fake-s3.ts";
import { harmFirst, startS3Proxy } from "../support/s3-server-proxy.ts";
import type { S3Server } from "../support/seaweed.ts";
import { never, type Room, stream, through } from "./room.ts";
import { withServer } from "./server.ts";

let server: S3Server;
let room: Room;
withServer((started, made) => {
  [server, room] = [started, made];
});

const one = Buffer.from("one");
const two = Buffer.from("two");

/** A backend at a fake server. */
async function fake(kind: FakeS3Kind, query = "") {
  const started = await startFakeS3(kind);
  return {
    ...started,
    backend: room.open(`s3://models/p/?endpoint=${started.endpoint}&region=us-east-1${query}`),
  };
}

describe("the probe", () => {
  test.each([
    ["ignores", /If-None-Match: \*: 16 of 16 racers won/],
    ["looks first", /If-None-Match: \*: \d+ of 16 racers won/],
    ["ignores if-match", /If-Match: 16 of 16 racers won/],
    ["forgets", /If-None-Match: \*: 16 of 16 racers won/],
    ["refuses", /NotImplemented \(501\)/],
  ] as const)(
    "refuses a server that %s, before anything is written, and leaves nothing",
    async (kind, finding) => {
      const { backend, objects, stop } = await fake(kind);
      const refused = {
        name: "BackendRefused",
        message: expect.stringMatching(finding),
        mend: expect.any(String),
      };
      await expect(backend.create("a", one, never)).rejects.toMatchObject(refused);
      await expect(backend.replace("a", one, '"x"', never)).rejects.toMatchObject(refused);
      let read = 0;
      const endless = async function* () {
        for (;;) {
          read++;
          yield one;
        }
      };
      const received = backend.receive({ kind: "stream", chunks: endless() }, never);
      await expect(received).rejects.toMatchObject(refused);
      expect(read).toBe(0);
      expect([...objects.keys()]).toEqual([]);
      await stop();
    },
  );

  test("lets the user accept a server that ignores conditions by name", async () => {
    const { backend, stop } = await fake("ignores", "&unsafe_without_conditional_writes=true");
    const version = await backend.create("a", one, never);
    expect(await backend.create("a", two, never)).toBeUndefined();
    expect(await backend.replace("a", two, version ?? "", never)).toBeDefined();
    expect(await backend.replace("a", one, version ?? "", never)).toBeUndefined();
    await stop();
  });

  test.each(["the real server", "a fake that behaves as AWS does"])(
    "is passed by %s, once for all",
    async (which) => {
      const { endpoint, stop } = which === "the real server" ? server : await startFakeS3("sound");
      const proxy = await startS3Proxy(endpoint);
      const spec = `s3://models/${which.replaceAll(" ", "-")}/?endpoint=${proxy.endpoint}&region=us-east-1`;
      const [a, b] = [room.open(spec), room.open(spec)];
      const [version] = await Promise.all([a.create("k", one, never), b.create("l", two, never)]);
      expect(version).toBeDefined();
      const before = proxy.requests.length;
      expect(proxy.requests.filter(({ key }) => key.includes("_probe/")).length).toBeGreaterThanOrEqual(
        16 * 3,
      );
      expect(await a.create("k", two, never)).toBeUndefined();
      expect(await b.replace("k", two, version ?? "", never)).toBeDefined();
      expect(await b.replace("k", one, version ?? "", never)).toBeUndefined();
      expect(proxy.requests.length).toBe(before + 3);
      const removed = proxy.requests
        .filter(({ operation }) => operation === "DeleteObject")
        .map(({ key }) => key);
      const probed = new Set(proxy.requests.map(({ key }) => key).filter((key) => key.includes("_probe/")));
      expect(new Set(removed)).toEqual(probed);
      await proxy.stop();
      if (which !== "the real server") await stop();
    },
  );

  test("of a server that is away says so, and is made again", async () => {
    const proxy = await startS3Proxy(server.endpoint);
    const backend = room.open(through(server.newSpec(), proxy.endpoint));
    proxy.harm = harmFirst(1000, "PutObject", { kind: "answer", status: 503, code: "SlowDown" });
    await expect(backend.create("a", one, never)).rejects.toMatchObject({ name: "BackendUnavailable" });
    proxy.harm = () => undefined;
    expect(await backend.create("a", one, never)).toBeDefined();
    await proxy.stop();
  });

  test("takes a winner whose answer was lost for a winner", async () => {
    const proxy = await startS3Proxy(server.endpoint);
    const backend = room.open(through(server.newSpec(), proxy.endpoint), { tuning: { attempts: 4 } });
    proxy.harm = harmFirst(16, "PutObject", { kind: "lose" });
    expect(await backend.create("a", one, never)).toBeDefined();
    await proxy.stop();
  });

  test("is left by who is cancelled", async () => {
    const proxy = await startS3Proxy(server.endpoint);
    const backend = room.open(through(server.newSpec(), proxy.endpoint));
    const stop = new AbortController();
    proxy.harm = (seen) => {
      if (seen.operation === "PutObject") stop.abort(new Error("enough"));
      return undefined;
    };
    await expect(backend.receive(stream(one), stop.signal)).rejects.toThrow("enough");
    await proxy.stop();
  });
});

test("the daemon's start does not load the SDK", async () => {
  const index = await readFile(new URL("../../adapters/s3/index.ts", import.meta.url), "utf8");
  const spec = await readFile(new URL("../../adapters/s3/spec.ts", import.meta.url), "utf8");
  const place = await readFile(new URL("../../adapters/s3/spec-place.ts", import.meta.url), "utf8");
  for (const text of [index, spec, place]) expect(text).not.toMatch(/@aws-sdk/);
  expect(index.match(/from "\.\/[\w-]+\.ts"/g)).toEqual(['from "./spec.ts"']);
});
