/** A daemon of today on the state folders that daemons of every earlier journal version left (test/golden/state-folders). */
import { rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { type Client, connect, SinkState } from "@pipekit/experiment";
import { afterEach, describe, expect, test, vi } from "vitest";
import { SCHEMA_VERSION } from "../../daemon/journal/tables.ts";
import { verify } from "../../daemon/journal/verify.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import type { FakeMlflow } from "../support/fake-mlflow.ts";
import { acc, checkFacts, checkModels, checkRuns, loss, upTo } from "./checks.ts";
import { type Golden, unpack, VERSIONS } from "./golden.ts";
import { killedUpgrade } from "./killed-upgrade.ts";
import { startTool } from "./tool.ts";

const PATIENCE = { timeout: 20_000, interval: 25 };
/** Steps that each run logged, of two keys. */
const STEPS: { readonly [name: string]: number } = {
  pruned: 30,
  delivered: 200,
  resumed: 80,
  group: 60,
  undelivered: 150,
  spooled: 60,
};
/** What a ring keeps beyond the journal; version 1 had none. */
const RUNNING = { journaled: 200, inRing: 10 };

const homes: string[] = [];
let daemon: TestDaemon | undefined;
let client: Client | undefined;
let tool: FakeMlflow | undefined;

function golden(version: string): Golden {
  const unpacked = unpack(version);
  homes.push(unpacked.home);
  return unpacked;
}

afterEach(async () => {
  client?.close();
  await daemon?.kill9();
  await tool?.close();
  [client, daemon, tool] = [undefined, undefined, undefined];
  for (const home of homes.splice(0)) rmSync(home, { recursive: true, force: true });
});

function versionOf(journal: string): unknown {
  const db = new DatabaseSync(journal, { readOnly: true });
  const { user_version } = { ...db.prepare("PRAGMA user_version").get() };
  db.close();
  return user_version;
}

test("there is a folder of every journal version, of the present one too", () => {
  expect(VERSIONS.map(Number)).toEqual(upTo(SCHEMA_VERSION).map((i) => i + 1));
});

describe.each(VERSIONS)("a folder of journal version %s", (version) => {
  test("is opened, keeps everything, and is delivered to the end", async () => {
    const { home, journal, expected, tool: before } = golden(version);
    const last = RUNNING.journaled + (version === "1" ? 0 : RUNNING.inRing);
    const steps: typeof STEPS = { ...STEPS, running: last };
    expect(versionOf(journal)).toBe(Number(version));
    tool = await startTool(before);
    daemon = await startDaemon({ home });
    client = await connect({ env: daemon.clientEnv });
    const open = client;

    for (const [name, runId] of Object.entries(expected.runs)) {
      if (name === "pruned") continue;
      await vi.waitFor(async () => {
        const { sinks, points } = await open.getRun(runId);
        expect(points).toBe(2 * (steps[name] ?? 0) + (name === "delivered" ? 2 : 0));
        expect(sinks).toMatchObject([{ pointsPending: 0 }]);
      }, PATIENCE);
    }
    // A writer of today goes on with the run that another was writing.
    const writer = await client.startRun({ runId: expected.runs["running"], resume: true });
    writer.log({ loss: loss(last), acc: acc(last) });
    await writer.end();
    for (const name of ["running", "undelivered", "spooled"]) {
      await vi.waitFor(async () => {
        const { sinks } = await open.sinkStatus(expected.runs[name] ?? "");
        expect(sinks).toMatchObject([{ state: SinkState.SINK_STATE_DONE, notes: [] }]);
      }, PATIENCE);
    }
    await checkRuns(client, tool, expected.runs, { ...steps, running: last + 1 });
    await checkModels(client, expected.models);
    await checkFacts(client, expected.runs, home);

    client.close();
    expect(await daemon.stop()).toEqual({ code: 0, signal: null });
    expect(versionOf(journal)).toBe(SCHEMA_VERSION);
    expect(await verify(journal)).toMatchObject({ faults: [] });
  });
});

test("an upgrade through all versions that was killed in the middle is done again", async () => {
  const [oldest = ""] = VERSIONS;
  const { home, journal, expected } = golden(oldest);
  await killedUpgrade(journal);
  expect(versionOf(journal)).toBe(Number(oldest));
  daemon = await startDaemon({ home });
  client = await connect({ env: daemon.clientEnv });
  expect(await client.getRun(expected.runs["delivered"] ?? "")).toMatchObject({ points: 402 });
  client.close();
  await daemon.stop();
  expect(versionOf(journal)).toBe(SCHEMA_VERSION);
  expect(await verify(journal)).toMatchObject({ faults: [] });
});

test("a folder of a newer daemon is refused, with what to do, and stays as it is", async () => {
  const { home, journal } = golden(String(SCHEMA_VERSION));
  const db = new DatabaseSync(journal);
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  db.close();
  await expect(startDaemon({ home })).rejects.toThrow(
    /written by a newer daemon \(journal version \d+; this one reads up to \d+\)[\s\S]*Use the newer daemon/,
  );
  expect(versionOf(journal)).toBe(SCHEMA_VERSION + 1);
});
