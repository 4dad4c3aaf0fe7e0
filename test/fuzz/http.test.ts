/**
 * What servers answer: whatever comes back, an adapter says that it tries again or that it never will, asks a bounded number
 * of times, ends when it is told to, and shows its secrets to nobody else.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clearmlTracker } from "@pipekit/adapters/clearml";
import { mlflowTracker } from "@pipekit/adapters/mlflow";
import { s3Registry } from "@pipekit/adapters/s3";
import type { SinkRecord, TrackerAdapter, TrackerKind } from "@pipekit/adapters/tracker";
import { wandbTracker } from "@pipekit/adapters/wandb";
import { PipekitError } from "@pipekit/proto";
import fc from "fast-check";
import { ulid } from "ulid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openS3 } from "../../adapters/s3/opening.ts";
import { fill } from "../contract/registry-copy.ts";
import { inProcess, type RegistryFixture, registriesAt } from "../contract/registry-harness.ts";
import { NO_CONTEXT } from "../contract/tracker-harness.ts";
import { KEYS, startFakeClearml } from "../support/fake-clearml.ts";
import { type FakeHttp, startFakeHttp } from "../support/fake-http.ts";
import { startFakeMlflow } from "../support/fake-mlflow.ts";
import { FAKE_KEY, startFakeWandb } from "../support/fake-wandb.ts";
import { fuzz, PATIENCE_MS } from "./campaign.ts";
import { bucketOf } from "./folder-bucket.ts";
import { forwarded, type HostileServer, startHostile } from "./hostile-server.ts";
import { type Twist, twist } from "./twists.ts";

const options = { timeout: PATIENCE_MS };
const TOKEN = "SECRET-token-of-mlflow-0123456789";
/** Milliseconds until the caller has enough. */
const ENOUGH_MS = 150;
/** More requests than any call of an adapter needs. */
const MANY = 60;

let folder: string;
let away: FakeHttp;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pkx-fh-"));
  away = await startFakeHttp();
  writeFileSync(join(folder, "model.bin"), "bytes");
  for (const [name, secret] of [
    ["token", TOKEN],
    ["key", FAKE_KEY],
    ["access", KEYS.access],
    ["secret", KEYS.secret],
  ] as const) {
    writeFileSync(join(folder, name), secret, { mode: 0o600 });
  }
});
afterAll(async () => {
  await away.close();
  rmSync(folder, { recursive: true, force: true });
});

const plans = fc.array(twist, { minLength: 1, maxLength: 12 });
const SECRETS = [TOKEN, FAKE_KEY, KEYS.secret];

/** Delivers a run through the hostile server: what every call says must be an answer, whatever it was told. */
async function delivered(
  server: HostileServer,
  twists: readonly Twist[],
  adapter: TrackerAdapter,
  enoughMs = ENOUGH_MS,
): Promise<readonly string[]> {
  server.plan(twists);
  const said: string[] = [];
  const run = {
    runId: ulid(),
    name: "r",
    pipelineHash: "",
    configJson: "{}",
    startedAtUs: 1e15,
    host: "h",
    client: "c",
    tags: { a: "b" },
  };
  const file = join(folder, "model.bin");
  const { size } = statSync(file);
  const sha256 = "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9";
  const batch: SinkRecord[] = [
    { kind: "params", params: { lr: "0.1" } },
    ...[1, 2, 3].map((step) => ({
      kind: "point" as const,
      key: "loss",
      step,
      value: step,
      timeUs: 1e15 + step,
    })),
    { kind: "tags", tags: { c: "d" } },
    { kind: "artifact", name: "model", files: [{ path: "", localPath: file, size, sha256 }], uri: "" },
  ];
  const calls = [
    (signal: AbortSignal) => adapter.open(run, undefined, signal),
    (signal: AbortSignal) => adapter.send(batch, signal),
    (signal: AbortSignal) => adapter.finish({ state: "completed", reason: "", endedAtUs: 1e15 + 9 }, signal),
    (signal: AbortSignal) => adapter.count(["loss"], signal),
  ];
  try {
    for (const call of calls) {
      const before = server.requests;
      const answer = await call(AbortSignal.timeout(enoughMs));
      expect(server.requests - before).toBeLessThan(MANY);
      expectSecretless(JSON.stringify([answer, adapter.takeMemo(), adapter.takeNotes()]));
      if (answer === undefined || !("status" in answer)) continue;
      said.push(answer.status);
      const { reason } = answer as { reason?: string };
      if (answer.status === "retry" || answer.status === "permanent") expect(reason).toMatch(/.[.!?…]$/s);
      // Delivery would open again: nothing is sent to a run that is not open.
      if (call === calls[0] && answer.status !== "ok") break;
    }
  } finally {
    await adapter.close();
  }
  expectSecretless(JSON.stringify(away.seen));
  return said;
}

function expectSecretless(text: string): void {
  for (const secret of SECRETS) {
    expect(text).not.toContain(secret);
    expect(text).not.toContain(Buffer.from(secret).toString("base64"));
  }
}

async function fuzzTracker(
  kind: TrackerKind,
  upstream: string,
  specOf: (server: HostileServer) => string,
  runs: number,
): Promise<void> {
  await using server = await startHostile(forwarded(upstream), away.url);
  const spec = kind.parse(specOf(server));
  const said = new Set(await delivered(server, [], kind.connect(spec, NO_CONTEXT), 20_000));
  expect(said).toEqual(new Set(["ok"]));
  await fuzz(`HTTP of ${spec.split(":")[0]}`, runs, plans, async (twists) => {
    for (const status of await delivered(server, twists, kind.connect(spec, NO_CONTEXT))) said.add(status);
  });
  expect(said.size).toBeGreaterThan(1);
  // More than any honest answer has is not read to its end.
  await delivered(server, [{ kind: "flood" }], kind.connect(spec, NO_CONTEXT));
}

test("MLflow", options, async () => {
  const tool = await startFakeMlflow();
  tool.http.remember = false;
  await fuzzTracker(
    mlflowTracker,
    tool.http.url,
    ({ host }) => `mlflow://${host}/e?token=file:${folder}/token`,
    25,
  );
  await tool.close();
});

test("W&B", options, async () => {
  const tool = await startFakeWandb();
  await fuzzTracker(
    wandbTracker,
    tool.url,
    (server) => {
      tool.storeUrl = server.url;
      return `wandb+http://${server.host}/team/p?key=file:${folder}/key`;
    },
    25,
  );
  await tool.close();
});

test("ClearML", options, async () => {
  const tool = await startFakeClearml();
  const keys = `access_key=file:${folder}/access&secret_key=file:${folder}/secret`;
  await fuzzTracker(
    clearmlTracker,
    tool.url,
    ({ host, url }) => `clearml+http://${host}/fuzz/suite?files=${url}&web=${url}&${keys}`,
    25,
  );
  await tool.close();
});

test("S3", options, async () => {
  const models: RegistryFixture = await inProcess();
  const { a } = await fill(models.registry);
  await using server = await startHostile(bucketOf(models.root), away.url);
  const kind = {
    ...s3Registry,
    open: async (...given: Parameters<typeof s3Registry.open>) =>
      openS3(given[0], given[1], { attempts: 1, silenceMs: 300 }),
  };
  const env = {
    AWS_ACCESS_KEY_ID: "ACCESS",
    AWS_SECRET_ACCESS_KEY: TOKEN,
    AWS_REGION: "us-east-1",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  const place = { kinds: [kind], newSpec: () => "", env };
  const spec = `s3://models/r/?endpoint=${server.url}&region=us-east-1`;
  const outcomes = new Set<string>();
  const asked = async (twists: readonly Twist[], enoughMs = 4 * ENOUGH_MS): Promise<void> => {
    const registry = await registriesAt(place, spec, models.staging).open("");
    server.plan(twists);
    const page = { pageSize: 10, pageToken: "" };
    const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
      (signal) => registry.resolve("stage", signal),
      (signal) => registry.list({ metadataFilterJson: "", ...page }, signal),
      (signal) => registry.tagHistory("stage", page, signal),
      async (signal) => {
        for await (const _ of (await registry.load(a, { byPath: false, offset: 0 }, signal)).weights);
      },
    ];
    for (const call of calls) {
      const signal = AbortSignal.timeout(enoughMs);
      const before = server.requests;
      await call(signal).then(
        () => outcomes.add("answered"),
        (error: unknown) => {
          if (signal.aborted) return;
          if (!(error instanceof PipekitError)) throw error;
          outcomes.add(error.code);
          expectSecretless(JSON.stringify([error.message, error.mend, error.field]));
        },
      );
      expect(server.requests - before).toBeLessThan(MANY);
    }
    expectSecretless(JSON.stringify(away.seen));
  };
  await asked([], 20_000);
  expect([...outcomes]).toEqual(["answered"]);
  await fuzz("HTTP of s3", 8, plans, (twists) => asked(twists));
  expect(outcomes.size).toBeGreaterThan(1);
  await models.close();
});
