/** Processes that race, die and give up leave no half model, no gap in a history and no litter. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  collect,
  connect,
  inProcess,
  never,
  newModel,
  overGrpc,
  type RegistryFixture,
  remoteRegistry,
  sha256,
  storeText,
} from "../contract/registry-harness.ts";

const MIB = 1024 * 1024;
let fixture: RegistryFixture;
const children: ChildProcess[] = [];

beforeEach(async () => {
  fixture = await inProcess();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await fixture.close();
});

interface Worker {
  readonly child: ChildProcess;
  readonly lines: string[];
  /** Resolves to its exit code once its output is read whole. */
  readonly closed: Promise<number | null>;
}

async function startWorker(task: string, count = 0): Promise<Worker> {
  const script = join(import.meta.dirname, "../contract/registry-worker.ts");
  const args = [
    "--disable-warning=ExperimentalWarning",
    script,
    task,
    fixture.root,
    fixture.staging,
    String(count),
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  // From the start: a quick worker may be gone before the others are ready.
  const closed = once(child, "close").then(([code]): number | null => code);
  const lines: string[] = [];
  child.stdout?.on("data", (data: Buffer) => lines.push(...data.toString().split("\n").filter(Boolean)));
  while (!lines.includes("ready")) await once(child.stdout ?? child, "data");
  return { child, lines, closed };
}

test("a storing process killed at any moment leaves whole models only", { timeout: 60_000 }, async () => {
  const stored = new Set<string>();
  for (let round = 0; round < 6; round++) {
    const { child, lines, closed } = await startWorker("store");
    await setTimeout(Math.random() * 150);
    child.kill("SIGKILL");
    await closed;
    for (const line of lines) if (line !== "ready") stored.add(line);

    const registry = await fixture.again();
    const { models } = await registry.list({ pageSize: 1000, pageToken: "", metadataFilterJson: "" }, never);
    const visible = new Set(models.map((model) => model.hash));
    // What was reported as stored is there, and what is there is sound.
    for (const hash of stored) expect(visible).toContain(hash);
    for await (const finding of registry.verify([], never)) expect(finding.problems).toEqual([]);
    // A kill may come between the first model and its tag; a store that was reported has both.
    if (stored.size > 0) {
      const { moves } = await registry.tagHistory("latest", { pageSize: 1000, pageToken: "" }, never);
      expect(moves.map((entry) => entry.seq)).toEqual(moves.map((_, i) => moves.length - i));
    }
  }
  expect(stored.size).toBeGreaterThan(0);
});

test("racers of four processes make one linear history", { timeout: 60_000 }, async () => {
  for (let i = 0; i < 5; i++) await storeText(fixture.registry, `w${i}`);
  const workers = await Promise.all(Array.from({ length: 4 }, () => startWorker("tag", 13)));
  expect(await Promise.all(workers.map(({ closed }) => closed))).toEqual([0, 0, 0, 0]);
  const { moves } = await fixture.registry.tagHistory("t", { pageSize: 1000, pageToken: "" }, never);
  const oldestFirst = moves.toReversed();
  expect(oldestFirst.map((entry) => entry.seq)).toEqual(oldestFirst.map((_, i) => i + 1));
  oldestFirst.forEach((entry, i) => {
    expect(entry.previousHash).toBe(oldestFirst[i - 1]?.hash ?? "");
  });
  expect(new Set(moves.map((entry) => entry.actor)).size).toBe(4);
  expect(await readdir(join(fixture.root, "_tmp"))).toEqual([]);
});

test.each([
  ["in process", inProcess],
  ["over gRPC", overGrpc],
])("a store cancelled in the middle leaves nothing, %s", async (_, makeRegistry) => {
  const own = await makeRegistry();
  try {
    for (let round = 0; round < 12; round++) {
      const stop = new AbortController();
      const chunks = async function* (): AsyncGenerator<Buffer> {
        for (let i = 0; i < 6; i++) {
          yield Buffer.alloc(MIB / 2, `${round} ${i}`);
          // At every chunk once, and in between by the time a turn takes.
          if (i === round % 6) {
            if (round >= 6) await setTimeout(2);
            stop.abort();
            return;
          }
        }
      };
      const model = newModel({ name: "v1", weights: { kind: "stream", chunks: chunks() } });
      await expect(own.registry.store(model, stop.signal)).rejects.toThrow();
    }
    const temp = join(own.root, "_tmp");
    await expect.poll(() => readdir(temp)).toEqual([]);
    expect((await readdir(own.root)).filter((name) => /^[0-9a-f]{64}$/.test(name))).toEqual([]);
    expect(await readdir(own.root)).not.toContain("_tags");
  } finally {
    await own.close();
  }
});

test("a client killed in the middle of a store leaves nothing", async () => {
  const own = await overGrpc();
  try {
    for (let round = 0; round < 5; round++) {
      // A client of its own, whose connection is cut without a word.
      const client = connect(join(own.scratch, "r.sock"));
      const chunks = async function* (): AsyncGenerator<Buffer> {
        for (let i = 0; ; i++) {
          if (i === round + 1) client.close();
          yield Buffer.alloc(MIB / 2, `${i}`);
        }
      };
      const stop = new AbortController();
      const storing = remoteRegistry(client).store(
        newModel({ weights: { kind: "stream", chunks: chunks() } }),
        stop.signal,
      );
      storing.catch(() => undefined);
      await setTimeout(20);
      stop.abort();
      await expect(storing).rejects.toThrow();
    }
    await expect.poll(() => readdir(join(own.root, "_tmp"))).toEqual([]);
    const { models } = await own.registry.list({ pageSize: 0, pageToken: "", metadataFilterJson: "" }, never);
    expect(models).toEqual([]);
  } finally {
    await own.close();
  }
});

test("twenty clients that store one model at once make one", async () => {
  const others = await Promise.all(Array.from({ length: 4 }, () => fixture.again()));
  const registries = [fixture.registry, ...others];
  const text = "the same weights ".repeat(1000);
  const hashes = await Promise.all(
    Array.from({ length: 20 }, (_, i) => storeText(registries[i % 5] ?? fixture.registry, text)),
  );
  expect(new Set(hashes).size).toBe(1);
  const loaded = await fixture.registry.load(hashes[0] ?? "", { byPath: false, offset: 0 }, never);
  expect(sha256(await collect(loaded.weights))).toBe(sha256(text));
  expect(await readdir(join(fixture.root, "_tmp"))).toEqual([]);
});
