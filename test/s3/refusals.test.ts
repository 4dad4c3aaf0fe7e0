/** What a server will not do, and how it is told. */
import { inspect } from "node:util";
import { BackendRefused, type RegistryBackend } from "@pipekit/adapters/registry";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Harm, S3Proxy } from "../support/s3-server-proxy.ts";
import { ADMIN, type S3Identity, type S3Server } from "../support/seaweed.ts";
import { collect, MIB, never, type Room } from "./room.ts";
import { behindProxy, withServer } from "./server.ts";

const READER: S3Identity = {
  name: "reader",
  accessKey: "PKXTESTREADER",
  secretKey: "secret-of-reader-0123456789",
  actions: ["Read:models", "List:models"],
};
let server: S3Server;
let room: Room;
let proxy: S3Proxy;
let spec: string;
let backend: RegistryBackend;
const one = Buffer.from("one");

withServer(
  (started, made) => {
    [server, room] = [started, made];
  },
  { identities: [READER] },
);
beforeEach(async () => {
  ({ proxy, spec, backend } = await behindProxy(server, room));
});
afterEach(() => proxy.stop());

describe("a refusal", () => {
  const refusals: readonly (readonly [string, Harm, RegExp, RegExp])[] = [
    [
      "an expired token",
      { kind: "answer", status: 400, code: "ExpiredToken" },
      /ExpiredToken/,
      /AWS_PROFILE/,
    ],
    ["a wrong clock", { kind: "answer", status: 403, code: "RequestTimeTooSkewed" }, /clock/, /clock/],
    ["another region", { kind: "answer", status: 301, code: "PermanentRedirect" }, /region/, /region/],
    ["an unknown answer", { kind: "answer", status: 400, code: "Odd" }, /answered Odd \(400\)/, /.+/],
  ];
  test.each(refusals)("for %s is named with its mend", async (_, harm, message, mend) => {
    proxy.harm = () => harm;
    await expect(backend.get("k", never)).rejects.toMatchObject({
      name: "BackendRefused",
      message: expect.stringMatching(message),
      mend: expect.stringMatching(mend),
    });
  });

  test("meets a login page, which is never taken for an answer", async () => {
    const { path } = await room.file(7 * MIB);
    const blob = await backend.receive({ kind: "file", path }, never);
    proxy.harm = () => ({ kind: "page" });
    const calls: readonly (() => Promise<unknown>)[] = [
      () => backend.get("there", never),
      () => backend.info("there", never),
      () => backend.create("k", one, never),
      () => backend.list("_tags/", { limit: 9 }, never),
      () => backend.list("", { limit: 9, folders: true }, never),
      () => backend.scan("", { limit: 9 }, never),
      () => collect(backend.read("there", 0, never)),
      () => blob.publish("m/w", never),
    ];
    for (const call of calls) {
      const failure = await call().catch((error: unknown) => error);
      expect(failure, String(call)).toBeInstanceOf(BackendRefused);
    }
  });

  test("of a reader's write names the action, and reading works", async () => {
    const reader = room.open(spec.replace(proxy.endpoint, server.endpoint), { identity: READER });
    expect((await reader.get("there", never))?.bytes).toEqual(one);
    expect(await reader.list("", { limit: 10 }, never)).toEqual(["there"]);
    for (const write of [() => reader.create("k", one, never), () => reader.remove("there", never)]) {
      const failure = await write().catch((error: unknown) => error);
      expect(failure).toMatchObject({
        name: "BackendRefused",
        message: expect.stringMatching(/s3:(PutObject|DeleteObject) on models\//),
        mend: expect.stringContaining("docs/registry-policies.md"),
      });
    }
  });

  test("of wrong credentials tells nothing of them", async () => {
    const identities = [
      { ...ADMIN, accessKey: "PKXNOBODY" },
      { ...ADMIN, secretKey: "a-wrong-secret" },
    ];
    for (const identity of identities) {
      const wrong = room.open(spec, { identity });
      const failure = await wrong.get("k", never).catch((error: unknown) => error);
      expect(failure).toMatchObject({
        name: "BackendRefused",
        mend: expect.stringContaining("AWS_ACCESS_KEY_ID"),
      });
      expect(inspect(failure, { depth: 20, showHidden: true })).not.toMatch(
        /a-wrong-secret|Signature=|PKXNOBODY/,
      );
    }
  });

  test("of a bucket that is not there names it", async () => {
    const nowhere = room.open(spec.replace("s3://models/", "s3://no-such-bucket/"));
    const calls: readonly (() => Promise<unknown>)[] = [
      () => nowhere.get("k", never),
      () => nowhere.list("", { limit: 1 }, never),
      () => nowhere.create("k", one, never),
    ];
    for (const call of calls) {
      const failure = await call().catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(BackendRefused);
      expect(failure).toMatchObject({ message: expect.stringContaining("no-such-bucket does not exist") });
    }
  });
});
