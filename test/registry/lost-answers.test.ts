/** Both clients, whose answer gets lost after the tag was moved: they ask again by themselves, and the tag moves once. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { type Client, connect, type Registry, type TagMove } from "@pipekit/experiment";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { AnswerCutter } from "../support/answer-cutter.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { FakeDaemon } from "../support/fake-daemon.ts";
import { toolPath } from "../support/tools.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const operator = (size: number) => ({ module: "m", class: "C", config: { size } });

let daemon: TestDaemon;
let direct: Client;
let registry: Registry;
let hashes: string[];
let folder: string;
let cutter: AnswerCutter;

beforeAll(async () => {
  daemon = await startDaemon();
  direct = await connect({ endpoint: daemon.endpoint });
  registry = direct.registry();
  hashes = [];
  for (const size of [0, 1, 2]) hashes.push((await registry.store({ operator: operator(size) })).model.hash);
});
afterAll(async () => {
  direct.close();
  await daemon.stop();
});
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "pkx-cut-"));
  cutter = await AnswerCutter.start(join(folder, "s"), daemon.socketPath);
});
afterEach(() => {
  cutter.stop();
  rmSync(folder, { recursive: true });
});

/** The tag leads to the last two models, one after the other. */
async function prepare(): Promise<TagMove> {
  await registry.tag(at(1), "prod", { force: true });
  return registry.tag(at(2), "prod", { force: true });
}

/** Lets a call's answer get lost once the tag has moved, and moves it on before the call is made again. */
async function interfere(before: TagMove, call: () => unknown): Promise<void> {
  cutter.swallow();
  const watched = registry.watchTag("prod", { afterSeq: before.seq });
  call();
  const made = await watched.next();
  expect(made.value).toMatchObject({ seq: before.seq + 1, previousHash: before.hash });
  await registry.tag(at(2), "prod", { force: true, reason: "others" });
  cutter.cut();
  await watched.return(undefined);
}

/** The moves after that one: the call's, and that of the others. */
async function expectOnce(before: TagMove): Promise<void> {
  const moves = await Array.fromAsync(registry.history("prod"));
  const [last, made] = moves;
  expect(last).toMatchObject({ seq: before.seq + 2, reason: "others" });
  expect(made).toMatchObject({ seq: before.seq + 1 });
}

function at(place: number): string {
  const hash = hashes[place];
  if (hash === undefined) throw new RangeError(`There is no model ${place}.`);
  return hash;
}

test("the TypeScript client", { timeout: 30_000 }, async () => {
  const client = await connect({ endpoint: cutter.endpoint });
  const behind = client.registry();
  const calls = [
    () => behind.tag(at(0), "prod", { force: true, expectedHash: at(2) }),
    () => behind.rollback("prod"),
    () => behind.deleteTag("prod", { expectedHash: at(2) }),
    async () => (await behind.store({ operator: operator(0), name: "prod", force: true })).move,
  ];
  try {
    for (const call of calls) {
      const before = await prepare();
      let answer: Promise<TagMove | undefined> | undefined;
      await interfere(before, () => {
        answer = call();
      });
      expect(await answer).toMatchObject({ seq: before.seq + 1 });
      await expectOnce(before);
    }
  } finally {
    client.close();
  }
});

test("the Python client", { timeout: 30_000 }, async () => {
  const script = join(import.meta.dirname, "lost-answers.py");
  const child = spawn(toolPath("python"), [script, at(0), at(2)], {
    env: {
      ...process.env,
      PKX_ENDPOINT: cutter.endpoint,
      PYTHONPATH: join(ROOT, "clients/python/src"),
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const closed = once(child, "close");
  const asked: string[] = [];
  let before: TagMove | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    if (before !== undefined) await expectOnce(before);
    asked.push(line);
    if (line === "done") break;
    const stood = await prepare();
    before = stood;
    await interfere(stood, () => child.stdin.write("\n"));
  }
  expect(asked).toEqual(["tag", "rollback", "delete", "store", "done"]);
  expect((await closed)[0]).toBe(0);
});

test("a daemon that knows no ids of calls is asked once", async () => {
  const fake = await new FakeDaemon().start();
  const client = await connect({ endpoint: fake.endpoint });
  try {
    const model = fake.registry.addModel(Buffer.from("w"));
    const { tags } = fake.registry;
    const asked = tags.tag.bind(tags);
    let calls = 0;
    tags.tag = (...given) => {
      calls += 1;
      asked(...given);
      throw Object.assign(new Error("gone"), { code: 14, details: "gone" });
    };
    const old = client.registry();
    await expect(old.tag(model.hash, "prod")).rejects.toMatchObject({ code: "DAEMON_UNAVAILABLE" });
    expect(calls).toBe(1);
    fake.capabilities.push("move_id");
    const newer = await connect({ endpoint: fake.endpoint });
    await expect(newer.registry().tag(model.hash, "prod")).rejects.toMatchObject({
      code: "DAEMON_UNAVAILABLE",
    });
    newer.close();
    expect(calls).toBe(3);
  } finally {
    client.close();
    fake.remove();
  }
});
