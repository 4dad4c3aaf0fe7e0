/** How many requests an operation of a registry costs at MLflow: a rise is seen here, and docs/registry-policies.md tells them. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { mlflowRegistry } from "@pipekit/adapters/mlflow";
import { afterAll, beforeAll, expect, test } from "vitest";
import { move, registriesAt, storeText } from "../contract/registry-harness.ts";
import { never, startWorld, type World } from "./registry-support.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld();
}, 120_000);
afterAll(() => world.close());

test("requests for each operation", { timeout: 120_000 }, async () => {
  const staging = join(world.scratch, "staging");
  await mkdir(staging);
  const spec = world.freshSpec();
  const counts: Record<string, number> = {};
  const counted = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const before = world.network.seen.length;
    const result = await work();
    // Leases that have ended are removed in the background.
    const seen = world.network.seen.slice(before).filter(({ path }) => !path.endsWith("/delete-tag"));
    counts[name] = seen.length;
    return result;
  };
  const registry = await counted("open, first", () =>
    registriesAt({ kinds: [mlflowRegistry], env: {} }, spec, staging).open(""),
  );
  await counted("open", () => registriesAt({ kinds: [mlflowRegistry], env: {} }, spec, staging).open(""));
  const a = await storeText(registry, "a");
  const b = await counted("store", () => storeText(registry, "b"));
  await counted("store again", () => storeText(registry, "b"));
  await counted("tag", () => registry.tag(move("production", a), never));
  await counted("promote", () => registry.tag(move("production", b, { force: true }), never));
  await counted("resolve", () => registry.resolve("production", never));
  await counted("load", async () => {
    const loaded = await registry.load("production", { byPath: false, offset: 0 }, never);
    for await (const _ of loaded.weights);
  });
  expect(counts["resolve"]).toBe(1);
  const most = { open: 1, "open, first": 12, store: 20, "store again": 13, tag: 16, promote: 16, load: 5 };
  for (const [name, ceiling] of Object.entries(most)) {
    expect(counts[name], name).toBeLessThanOrEqual(ceiling);
  }
});
