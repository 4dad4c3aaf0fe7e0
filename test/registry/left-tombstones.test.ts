/** A collector that was killed holds nobody up for longer than a deletion of its may be on its way. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { localRegistry } from "@pipekit/adapters/local";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isProcessGone, processMark } from "../../daemon/lifecycle/index.ts";
import { TIMES } from "../../daemon/registry/collecting/clock.ts";
import { tombstoneBytes } from "../../daemon/registry/collecting/tombstone.ts";
import { createRegistries, type Registry } from "../../daemon/registry/index.ts";
import { inProcess, move, type RegistryFixture, silent, storeText } from "../contract/registry-harness.ts";

const GONE_MS = 150;
let fixture: RegistryFixture;
let registry: Registry;
let hash: string;

beforeEach(async () => {
  fixture = await inProcess();
  registry = await createRegistries({
    kinds: [localRegistry],
    defaultSpec: `local:${fixture.root}`,
    stagingFolder: fixture.staging,
    cacheFolder: join(fixture.scratch, "cache"),
    env: {},
    log: silent,
    seams: {
      times: { ...TIMES, goneMs: GONE_MS },
      processes: { mark: processMark(), isGone: isProcessGone },
    },
  }).open("");
  hash = await storeText(registry, "weights");
});
afterEach(() => fixture.close());

/** A tombstone that a process of this mark would have written just now. */
function bury(mark: string): void {
  mkdirSync(join(fixture.root, "_gc"), { recursive: true });
  const bytes = tombstoneBytes("collector", mark, Date.now());
  writeFileSync(join(fixture.root, `_gc/${hash}.00000000-0000-4000-8000-000000000000.json`), bytes);
}

async function markOfDead(): Promise<string> {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const mark = processMark(child.pid);
  expect(isProcessGone(mark)).toBe(false);
  child.kill("SIGKILL");
  await once(child, "close");
  expect(isProcessGone(mark)).toBe(true);
  return mark;
}

test("a tag waits for what a killed collector may have sent, and no longer", async () => {
  bury(await markOfDead());
  const begun = performance.now();
  await registry.tag(move("production", hash), AbortSignal.timeout(20_000));
  expect(performance.now() - begun).toBeGreaterThanOrEqual(GONE_MS);
  expect((await registry.resolve("production", AbortSignal.timeout(1000))).hash).toBe(hash);
});

test.each([
  ["that lives", () => processMark()],
  ["of another machine", () => processMark().replace(/^./, (char) => (char === "0" ? "1" : "0"))],
  ["of another pid namespace", () => processMark().replace(/^([^.]*)\.\d+/, "$1.1")],
  ["that does not say who it is", () => ""],
])("a tag waits for a collector %s", async (_, mark) => {
  bury(mark());
  const patience = AbortSignal.timeout(5 * GONE_MS);
  await expect(registry.tag(move("production", hash), patience)).rejects.toThrow(/aborted|timeout/i);
  await expect(registry.resolve("production", AbortSignal.timeout(1000))).rejects.toMatchObject({
    code: "REF_NOT_FOUND",
  });
});
