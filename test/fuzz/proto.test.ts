/**
 * The wire of the daemon: whatever bytes come over the socket, each call ends with an answer or a typed failure that
 * somebody foresaw, the daemon lives on within its memory, and its journal stays whole.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@pipekit/experiment";
import { Frame, packRows } from "@pipekit/proto";
import fc from "fast-check";
import { ulid } from "ulid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verify } from "../../daemon/journal/index.ts";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { memoryOf } from "../support/memory.ts";
import { mutated } from "./bytes.ts";
import { fuzz, PATIENCE_MS } from "./campaign.ts";
import { delimited, fuzzedMethods } from "./messages.ts";
import { RawClient, rawBody } from "./raw-calls.ts";

/** Resident bytes that a daemon under fire may have needed at most. */
const MOST_MEMORY = 700 * 2 ** 20;
/** They end the daemon, as they should. */
const ENDING = /\/(?:Shutdown|HandOver)$/;
const SERVICE = "/pipekit.experiment.v1.TrackerService";

const [run, writer, ended] = [ulid(), ulid(), ulid()];
const hash = "0123456789abcdef".repeat(4);
const texts = [
  ...["", "x", "a@1", "a~1", "a~", "0123abcd", hash, run, writer, ended, "01ARZ3NDEKTSV4RRFFQ69G5FAV"],
  ...["{}", "[]", "null", '{"a":NaN}', '{"__proto__":{"x":1}}', '{"a":', "[".repeat(5000), '{"lr":0.1}'],
  ...[
    "mlflow+http://127.0.0.1:1/x",
    "mlflow:",
    "tensorboard:tb",
    "clearml:",
    "s3:",
    "local:",
    "local:models",
    "wandb:",
  ],
  ...[
    "__proto__",
    "constructor",
    "..",
    "a".repeat(2000),
    "\u0000",
    "\ud800",
    "é\u0301",
    "1e999",
    "-1",
    "9".repeat(30),
  ],
  ...["a: &a [*a]", "a: ${a}", "${oc.env:HOME}", "x: !!js/function ''", "json", "pickle", "safetensors"],
];
const home = temporaryHome();
// What is changed at random names no path of the machine: it could become another one.
const places = [
  `local:${home}/reg`,
  `tensorboard:${home}/tb`,
  `${home}/none`,
  `${home}/data`,
  `file:${home}/none`,
];
const methodsFor = (pool: readonly string[]) => fuzzedMethods(pool).filter(({ path }) => !ENDING.test(path));
const [methods, placeless] = [methodsFor([...texts, ...places]), methodsFor(texts)];

let daemon: TestDaemon;
let client: RawClient;

beforeAll(async () => {
  mkdirSync(join(home, "data"));
  writeFileSync(join(home, "data/file"), "some bytes");
  daemon = await startDaemon({ home, env: { MLFLOW_TRACKING_URI: undefined } });
  client = new RawClient(daemon.endpoint);
  const value = { name: "f", startedAtUs: 1, sinks: [], tags: {} };
  for (const runId of [run, ended]) {
    const records = [{ record: { $case: "start" as const, value } }];
    const frame = Frame.fromPartial({ runId, writerId: runId, seq: 1, records });
    expect(await client.call(`${SERVICE}/StartRun`, [wrapped(frame)])).toBe("answered");
  }
  const end = Frame.fromPartial({
    runId: ended,
    writerId: ended,
    seq: 2,
    records: [{ record: { $case: "end", value: { state: 2 } } }],
  });
  expect(await client.call(`${SERVICE}/Log`, [wrapped(end)])).toBe("answered");
});

afterAll(() => {
  client.close();
  daemon.child.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

/** A request whose one field is a frame. */
function wrapped(frame: Frame): Buffer {
  return delimited(1, Frame.encode(frame).finish());
}

/** Throws when the daemon is gone, unwell or too large. */
async function expectWell(): Promise<void> {
  expect(daemon.child.exitCode, daemon.stderr()).toBe(null);
  expect(await client.call(`${SERVICE}/GetRun`, [delimited(1, Buffer.from(run))])).toBe("answered");
  expect(memoryOf(daemon.pid, "VmHWM")).toBeLessThan(MOST_MEMORY);
}

const calls = fc.oneof(
  ...methods.map(({ path, takesMany, requests }, i) => {
    const changed = mutated(placeless[i]?.requests ?? requests);
    const one = fc.oneof({ arbitrary: requests, weight: 3 }, { arbitrary: changed, weight: 1 });
    return fc.record({
      path: fc.constant(path),
      messages: fc.array(one, { minLength: 1, maxLength: takesMany ? 3 : 1 }),
    });
  }),
);

test("messages of every method, sound in form and not", { timeout: PATIENCE_MS }, async () => {
  expect(methods.length).toBeGreaterThan(45);
  const verdicts = new Map<string, number>();
  await fuzz("proto messages", 60, fc.array(calls, { minLength: 1, maxLength: 16 }), async (batch) => {
    const all = await Promise.all(
      batch.map(async ({ path, messages }) => ({ path, verdict: await client.call(path, messages) })),
    );
    for (const { path, verdict } of all) {
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
      expect(verdict, path).not.toBe("INTERNAL");
    }
    await expectWell();
  });
  // Most would be refused for their form alone if the generator knew nothing.
  expect(verdicts.get("answered") ?? 0).toBeGreaterThan(20);
});

const bodies = fc.oneof(
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  mutated(fc.uint8Array({ maxLength: 64 }).map((bytes) => framed(Buffer.from(bytes)))),
  fc
    .record({ flag: fc.nat(255), length: fc.nat(0xffff_ffff), bytes: fc.uint8Array({ maxLength: 32 }) })
    .map((it) => {
      const head = Buffer.alloc(5);
      head.writeUInt8(it.flag);
      head.writeUInt32BE(it.length, 1);
      return Buffer.concat([head, it.bytes]);
    }),
);

function framed(bytes: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

test("bodies that are no gRPC end their call and nothing else", { timeout: PATIENCE_MS }, async () => {
  const headers = fc.dictionary(
    fc.constantFrom(
      "grpc-encoding",
      "grpc-timeout",
      "grpc-accept-encoding",
      "x-bin",
      "pipekit-bin",
      "content-encoding",
    ),
    fc.constantFrom("gzip", "identity", "deflate", "", "0n", "99999999H", "-1S", "AAAA", "=", "1S"),
  );
  const body = fc.record({
    path: fc.constantFrom(...methods.map(({ path }) => path)),
    body: bodies,
    headers,
  });
  await fuzz("proto bodies", 30, fc.array(body, { minLength: 1, maxLength: 8 }), async (batch) => {
    await Promise.all(batch.map((it) => rawBody(daemon.socketPath, it.path, it.body, it.headers)));
    await expectWell();
  });
});

const uint = (width: 4 | 8) =>
  fc
    .oneof(
      fc.bigInt({ min: 0n, max: 3n }),
      fc.constantFrom(2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n),
    )
    .map((value) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt.asUintN(width * 8, value));
      return bytes.subarray(0, width);
    });
const cells = (width: 4 | 8) => fc.array(uint(width), { maxLength: 6 }).map((all) => Buffer.concat(all));
const soundColumns = fc
  .array(fc.record({ step: fc.maxSafeInteger(), value: fc.double() }), { maxLength: 20 })
  .map((rows) =>
    packRows(rows.map(({ step, value }) => ({ keys: SHARED, step, timeUs: step, values: [value] }))),
  );
const SHARED = ["loss"];
const hostileColumns = fc.record({
  keySets: fc.array(
    fc.record({
      keys: fc.array(
        fc.oneof(
          fc.constantFrom("a", "", "a\n", "k".repeat(1025), "__proto__"),
          fc.string({ unit: "binary" }),
        ),
        { maxLength: 4 },
      ),
    }),
    { maxLength: 3 },
  ),
  rowKeySet: cells(4),
  rowStep: cells(8),
  rowTimeUs: cells(8),
  values: fc.oneof(
    cells(8),
    fc.uint8Array({ maxLength: 30 }).map((it) => Buffer.from(it)),
  ),
});

test("columns with counts, steps and keys that lie cost their record alone, and each frame is answered", {
  timeout: PATIENCE_MS,
}, async () => {
  let seq = 0;
  await fuzz(
    "proto columns",
    60,
    fc.array(fc.oneof(soundColumns, hostileColumns), { minLength: 1, maxLength: 4 }),
    async (columns) => {
      const records = [...columns, packRows([{ keys: ["sound"], step: seq, timeUs: 1, values: [1] }])].map(
        (value) => ({
          record: { $case: "metrics" as const, value },
        }),
      );
      seq++;
      expect(
        await client.call(`${SERVICE}/Log`, [wrapped({ runId: run, writerId: writer, seq, records })]),
      ).toBe("answered");
      await expectWell();
    },
  );
  await using honest = await connect({ endpoint: daemon.endpoint });
  const { series } = await honest.getRun(run);
  expect(series.find(({ key }) => key === "sound")?.points).toBe(seq);
});

test("the journal is whole after all that", async () => {
  expect(await daemon.stop()).toEqual({ code: 0, signal: null });
  const report = await verify(join(daemon.stateFolder, "journal.db"));
  expect(report.faults).toEqual([]);
});
