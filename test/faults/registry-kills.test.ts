/**
 * Storers, taggers, pinners and collectors that work beside each other on one registry and die by kill -9 at any of their
 * requests: nothing that is referred to is lost, and what they leave is gone after the next collections.
 * `PKX_FAULT_ROUNDS` sets the rounds for each backend, `PKX_FAULT_SEED` the first.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Registry } from "../../daemon/registry/index.ts";
import { gc } from "../contract/registry-gc.ts";
import { never } from "../contract/registry-harness.ts";
import { seeded } from "../support/random.ts";
import { type S3Server, startSeaweed } from "../support/seaweed.ts";
import { openShort } from "./mortal-registry.ts";

const ROUNDS = process.env["PKX_FAULT_ROUNDS"];
const FIRST_SEED = Number(process.env["PKX_FAULT_SEED"] ?? 1);
const TASKS = ["store", "tag", "pin", "gc", "gc"];
/** Requests of the longest task, roughly, times three moments. */
const MOMENTS = 120;

let folder: string;
let server: S3Server;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pkx-kills-"));
  mkdirSync(join(folder, "staging"));
  server = await startSeaweed();
  Object.assign(process.env, server.env());
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Exit signal and code of a task that dies at its `nth` moment. */
async function run(spec: string, task: string, nth: number): Promise<unknown[]> {
  const script = join(import.meta.dirname, "mortal-registry.ts");
  const args = [
    "--disable-warning=ExperimentalWarning",
    script,
    spec,
    join(folder, "staging"),
    task,
    String(nth),
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  return once(child, "exit");
}

/** Names of tags, and hashes of pinned models. */
async function references(registry: Registry): Promise<string[]> {
  const { tags } = await registry.listTags({ pageSize: 0, pageToken: "" }, never);
  return [...tags.map(({ name }) => name), ...(await registry.listPins(never)).map(({ hash }) => hash)];
}

/** Hashes that tags and pins lead to. */
async function referred(registry: Registry): Promise<string[]> {
  const { tags } = await registry.listTags({ pageSize: 0, pageToken: "" }, never);
  return [...tags.map(({ hash }) => hash), ...(await registry.listPins(never)).map(({ hash }) => hash)];
}

async function expectSound(registry: Registry): Promise<void> {
  const found = await Array.fromAsync(registry.verify([], never));
  expect(found.filter(({ problems }) => problems.length > 0)).toEqual([]);
  const sound = new Set(found.map(({ hash }) => hash));
  for (const hash of await referred(registry)) expect(sound).toContain(hash);
}

describe.each([
  ["a local folder", 8, () => `local:${join(folder, "models")}`],
  ["S3", 3, () => server.newSpec("")],
])("killed on %s", (_, fewRounds, newSpec) => {
  const rounds = Number(ROUNDS ?? fewRounds);
  test("they lose nothing and leave nothing for long", { timeout: 3_600_000 }, async () => {
    const spec = newSpec();
    const registry = await openShort(spec, join(folder, "staging"));
    let killed = 0;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + rounds; seed++) {
      const random = seeded(seed);
      const draw = () => TASKS[Math.floor(random() * TASKS.length)] ?? "";
      const nth = () => 1 + Math.floor(random() * MOMENTS);
      const before = await references(registry);
      const ends = await Promise.all([
        run(spec, draw(), nth()),
        run(spec, "gc", 0),
        run(spec, draw(), nth()),
      ]);
      for (const [code, signal] of ends) {
        if (signal === "SIGKILL") killed += 1;
        else expect({ seed, code }).toEqual({ seed, code: 0 });
      }
      await expectSound(registry);
      await gc(registry, {}, true);
      await expectSound(registry);
      // No task takes a pin away or deletes a tag.
      expect(await references(registry)).toEqual(expect.arrayContaining(before));
    }
    expect(killed).toBeGreaterThan(0);
    await expect
      .poll(async () => (await gc(registry, {}, true)).summary.litter, { timeout: 60_000, interval: 500 })
      .toBe(0);
    const last = await gc(registry, {}, true);
    expect(last.summary).toMatchObject({ candidates: 0, litter: 0 });
    expect(last.summary.models).toBe(new Set(await referred(registry)).size);
    await expectSound(registry);
  });
});
