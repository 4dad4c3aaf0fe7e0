/** The client against the real daemon, which it starts, loses and finds again by itself. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type Client, connect, RunState, type TagMove } from "@pipekit/experiment";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pipekitEnv } from "../e2e/demo/processes.ts";
import { gone } from "../support/gone.ts";

const OPERATOR = { module: "nets", class: "Digits", config: { width: 32 } };

let home: string;
let env: { [name: string]: string | undefined };
let client: Client;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "pkx-"));
  env = pipekitEnv(home);
  client = await connect({ env });
});

afterEach(async () => {
  const { pid } = client.daemon;
  await client.shutdown().catch(() => undefined);
  await gone(pid);
  client.close();
  rmSync(home, { recursive: true, force: true });
});

function kill9(): Promise<void> {
  const { pid } = client.daemon;
  process.kill(pid, "SIGKILL");
  return gone(pid);
}

test("the daemon is started once and found by the next client", async () => {
  const others = await Promise.all([connect({ env }), connect({ env }), connect({ env, start: false })]);
  expect(new Set(others.map((other) => other.daemon.pid))).toEqual(new Set([client.daemon.pid]));
  for (const other of others) other.close();
  expect(statSync(join(home, "state")).mode & 0o777).toBe(0o700);
});

test("a run survives kill -9 of the daemon while it logs", async () => {
  const run = await client.startRun({ name: "digits", config: { lr: 0.1 }, tags: { team: "a" } });
  for (let i = 0; i < 5000; i++) run.log({ loss: 1 / (i + 1), acc: i });
  await run.flush();
  for (let i = 5000; i < 6000; i++) run.log({ loss: 1 / (i + 1), acc: i });
  await kill9();
  for (let i = 6000; i < 7000; i++) run.log({ loss: 1 / (i + 1), acc: i });
  run.logParams({ opt: { name: "adam" } });
  const file = join(home, "note.txt");
  writeFileSync(file, "hello");
  await run.logArtifact(file, "notes/note.txt");
  await run.end();

  const shown = await client.getRun(run.runId.slice(0, 20));
  expect(shown).toMatchObject({
    name: "digits",
    points: 14_000,
    state: RunState.RUN_STATE_COMPLETED,
    tags: { team: "a" },
  });
  expect(shown.params).toEqual({ "opt.name": '"adam"' });
  expect(shown.artifacts[0]).toMatchObject({ name: "notes/note.txt", files: [{ size: 5 }] });
  const series = await client.readSeries(run.runId, { keys: ["acc"] });
  expect(series[0]?.values).toEqual(Float64Array.from({ length: 7000 }, (_, i) => i));
  const few = await client.readSeries(run.runId, { keys: ["acc"], maxPoints: 100 });
  expect(few[0]?.pointsInRange).toBe(7000);
  expect(few[0]?.values.length).toBeLessThanOrEqual(100);
  expect(run.rejected + run.dropped).toBe(0);
});

test("typed failures come through: artifact, run, sink, run id", async () => {
  const run = await client.startRun();
  await expect(run.logArtifact(join(home, "nowhere"), "x")).rejects.toMatchObject({
    code: "ARTIFACT_UNREADABLE",
  });
  await expect(run.logArtifact(home, "../x")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  run.log({ a: 1 });
  await run.end();
  expect((await client.getRun(run.runId)).points).toBe(1);
  await expect(client.getRun("00000000")).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  await expect(client.startRun({ sinks: ["mlflow://"] })).rejects.toMatchObject({
    code: "INVALID_TRACKER_SPEC",
  });
  await expect(client.startRun({ tracker: "unknown" })).rejects.toMatchObject({
    code: "INVALID_TRACKER_SPEC",
  });
  await expect(client.startRun({ runId: "no-ulid" })).rejects.toMatchObject({ code: "INVALID_FRAME" });
  const listed = await Array.fromAsync(client.listRuns({ state: "completed" }));
  expect(listed.map(({ runId }) => runId)).toEqual([run.runId]);
});

test("models: three ways in, one hash; load, tags, history, verify", async () => {
  const registry = client.registry();
  const weights = randomBytes(3 * 1024 * 1024 + 11);
  const file = join(home, "w.bin");
  writeFileSync(file, weights);
  const a = await registry.store({ operator: OPERATOR, weights, name: "candidate", metadata: { team: "a" } });
  const b = await registry.store({ operator: OPERATOR, weights: file });
  expect([a.created, b.created, b.model.hash === a.model.hash]).toEqual([true, false, true]);
  const plain = await registry.store({ operator: OPERATOR });
  await expect(registry.store({ operator: { module: "x" } as never })).rejects.toMatchObject({
    code: "NOT_AN_OPERATOR",
  });

  const loaded = await registry.load("candidate", { toFile: join(home, "loaded") });
  expect(readFileSync(loaded.path).equals(weights)).toBe(true);
  expect(readFileSync((await registry.load("candidate")).path).equals(weights)).toBe(true);
  expect((await registry.loadWeights(a.model.hash.slice(0, 12))).equals(weights)).toBe(true);
  await expect(registry.load(plain.model.hash, { toFile: join(home, "x") })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });

  await registry.tag("candidate", "production");
  await expect(registry.tag(plain.model.hash, "production")).rejects.toMatchObject({ code: "TAG_EXISTS" });
  await registry.tag(plain.model.hash, "production", {
    force: true,
    expectedHash: a.model.hash,
    reason: "smaller",
  });
  expect(await registry.resolve("production")).toBe(plain.model.hash);
  expect(await registry.resolve("production~1")).toBe(a.model.hash);
  const history = await Array.fromAsync(registry.history("production"));
  expect(history.map(({ seq, reason }) => [seq, reason])).toEqual([
    [2, "smaller"],
    [1, ""],
  ]);
  await expect(registry.tag("candidate", "a/b")).rejects.toMatchObject({ code: "TAG_NAME_INVALID" });
  await expect(registry.resolve("nothing")).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  expect(await Array.fromAsync(registry.list({ metadata: { team: "a" } }))).toHaveLength(1);
  const findings = await Array.fromAsync(registry.verify());
  expect(findings.map(({ problems }) => problems)).toEqual([[], []]);
});

test.each(["quietly", "with progress"])("half an upload is never taken for a whole one, %s", async (way) => {
  const registry = client.registry();
  const onProgress = way === "quietly" ? undefined : () => undefined;
  for (let round = 0; round < 12; round++) {
    const abort = new AbortController();
    async function* cutOff() {
      yield randomBytes(1 + round * 10_000);
      if (round % 2 === 0) throw new Error("the source broke");
      setTimeout(() => abort.abort(new Error("enough")), round);
      await new Promise(() => undefined);
    }
    const storing = registry.store({
      operator: OPERATOR,
      weights: cutOff(),
      name: "cut-off",
      signal: abort.signal,
      onProgress,
    });
    await expect(storing).rejects.toThrow(round % 2 === 0 ? "the source broke" : "enough");
  }
  const whole = await registry.store({ operator: OPERATOR, weights: Readable.from([Buffer.from("whole")]) });
  const models = await Array.fromAsync(registry.list());
  expect(models.map(({ hash }) => hash)).toEqual([whole.model.hash]);
  await expect(registry.resolve("cut-off")).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
});

test("watchTag sees promotions at once, and goes on after kill -9 of the daemon", async () => {
  const registry = client.registry();
  const hashes: string[] = [];
  for (const width of [1, 2, 3]) {
    hashes.push((await registry.store({ operator: { ...OPERATOR, config: { width } } })).model.hash);
  }
  const seen: TagMove[] = [];
  const abort = new AbortController();
  const watching = (async () => {
    for await (const move of registry.watchTag("production", { signal: abort.signal })) seen.push(move);
  })();
  for (const [i, hash] of hashes.entries()) {
    if (i === 2) await kill9();
    await registry.tag(hash, "production", { force: true });
    await vi.waitFor(() => expect(seen.at(-1)?.hash).toBe(hash), { timeout: 10_000, interval: 5 });
  }
  expect(seen.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  abort.abort(new Error("enough"));
  await expect(watching).rejects.toThrow("enough");
});
