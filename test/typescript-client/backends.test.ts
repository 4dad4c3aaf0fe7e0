/** The registry's client over a folder, a real S3 server and a real MLflow server: one suite. */
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, type CopyPart, connect, type GcPart, type Registry } from "@pipekit/experiment";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { pipekitEnv } from "../e2e/demo/processes.ts";
import { type MlflowServer, startMlflowServer } from "../support/mlflow-server.ts";
import { type S3Server, startSeaweed } from "../support/seaweed.ts";

const NOTHING_KEEPS = { minAgeMs: 0, keepMoves: 0, keepMovedMs: 0 };

let home: string;
let s3: S3Server;
let mlflow: MlflowServer;
let client: Client;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "pkx-"));
  [s3, mlflow] = await Promise.all([startSeaweed(), startMlflowServer()]);
  client = await connect({ env: { ...pipekitEnv(home), ...s3.env() } });
}, 120_000);

afterAll(async () => {
  await client.shutdown();
  client.close();
  await Promise.all([s3.stop(), mlflow.stop()]);
  rmSync(home, { recursive: true, force: true });
});

function operator(width: number) {
  return { module: "nets", class: "Digits", config: { width } };
}

function localSpec(): string {
  return `local:${join(home, randomUUID())}`;
}

const BACKENDS: readonly [string, () => string][] = [
  ["a folder", localSpec],
  ["S3", () => s3.newSpec("&poll_ms=50")],
  ["MLflow", () => `mlflow://${mlflow.host}/suite-${randomUUID()}?poll_ms=50`],
];

describe.each(BACKENDS)("%s", { timeout: 120_000 }, (_, newSpec) => {
  let registry: Registry;

  beforeEach(() => {
    registry = client.registry(newSpec());
  });

  async function storeModel(width: number, name?: string): Promise<string> {
    const stored = await registry.store({ operator: operator(width), weights: Buffer.from([width]), name });
    return stored.model.hash;
  }

  test("a model comes back verified, has one id everywhere, and its way is told", async () => {
    const weights = randomBytes(5 * 1024 * 1024 + 3);
    const phases = new Set<string>();
    const onProgress = (_done: number, _total: number, phase: string) => phases.add(phase);
    const model = { operator: operator(1), weights, metadata: { team: "a" } };
    const { model: stored } = await registry.store({ ...model, name: "candidate", onProgress });
    const elsewhere = await client.registry(localSpec()).store(model);
    expect(stored.hash).toBe(elsewhere.model.hash);
    expect((await registry.loadWeights("candidate", { onProgress })).equals(weights)).toBe(true);
    const { path } = await registry.load(stored.hash, { toFile: join(home, randomUUID()) });
    expect(readFileSync(path).equals(weights)).toBe(true);
    expect(await Array.fromAsync(registry.list({ metadata: { team: "a" } }))).toHaveLength(1);
    expect([...phases]).toContain("loading");
  });

  test("tags are moved, refused, rolled back and deleted, and a watch sees each move", async () => {
    const [a, b] = [await storeModel(1), await storeModel(2)];
    await registry.tag(a, "production");
    await expect(registry.tag(b, "production")).rejects.toMatchObject({ code: "TAG_EXISTS" });
    await registry.tag(b, "production", { force: true, expectedHash: a });
    expect(await registry.resolve("production~1")).toBe(a);
    expect(await registry.rollback("production", { reason: "worse" })).toMatchObject({ seq: 3, hash: a });
    expect(await Array.fromAsync(registry.tags())).toMatchObject([{ name: "production", hash: a }]);
    const seen: string[] = [];
    for await (const { seq, hash } of registry.watchTag("production", { afterSeq: 1 })) {
      seen.push(hash);
      if (seq === 3) await registry.deleteTag("production", { expectedHash: a });
      if (seq === 4) break;
    }
    expect(seen).toEqual([b, a, ""]);
    await expect(registry.resolve("production")).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
    expect(await Array.fromAsync(registry.tags())).toEqual([]);
    const history = await Array.fromAsync(registry.history("production"));
    expect(history.map(({ hash }) => hash)).toEqual(["", a, b, a]);
  });

  test("a collection takes what nothing keeps", async () => {
    const [tagged, pinned, loose] = [
      await storeModel(1, "production"),
      await storeModel(2),
      await storeModel(3),
    ];
    await registry.pin(pinned, { reason: "audit" });
    expect(await registry.pins()).toMatchObject([{ hash: pinned, reason: "audit" }]);
    const entries = async (apply: boolean) => {
      const parts: GcPart[] = await Array.fromAsync(registry.gc({ policy: NOTHING_KEEPS, apply }));
      expect(parts.at(-1)).toMatchObject({ $case: "summary", value: { candidates: 1, dryRun: !apply } });
      return parts.flatMap((part) => (part.$case === "entry" ? [[part.value.hash, part.value.deleted]] : []));
    };
    expect(await entries(false)).toEqual([[loose, false]]);
    expect(await entries(true)).toEqual([[loose, true]]);
    const left = (await Array.fromAsync(registry.list())).map(({ hash }) => hash);
    expect(left).toEqual([tagged, pinned].sort());
    expect([await registry.unpin(pinned), await registry.unpin(pinned)]).toEqual([true, false]);
  });

  test("models are verified, compared, copied and archived", async () => {
    const [a, b] = [await storeModel(1, "production"), await storeModel(2)];
    for (const quick of [true, false]) {
      const findings = await Array.fromAsync(registry.verify([], { quick }));
      expect(findings.flatMap(({ problems }) => problems)).toEqual([]);
    }
    const { entries } = await registry.diff(a, b);
    expect(entries).toEqual([{ document: "operator", path: "config.width", aJson: "1", bJson: "2" }]);
    const created = (parts: CopyPart[]) =>
      parts.flatMap((part) => (part.$case === "model" && part.value.created ? [part.value.hash] : []));
    const target = localSpec();
    expect(created(await Array.fromAsync(registry.copyTo(target))).sort()).toEqual([a, b].sort());
    expect(created(await Array.fromAsync(registry.copyTo(target)))).toEqual([]);
    expect(await client.registry(target).resolve("production")).toBe(a);
    const archive = join(home, `${randomUUID()}.tar`);
    await Array.fromAsync(registry.exportTo(archive, { refs: ["production"] }));
    const back = client.registry(localSpec());
    expect(created(await Array.fromAsync(back.importFrom(archive)))).toEqual([a]);
  });
});
