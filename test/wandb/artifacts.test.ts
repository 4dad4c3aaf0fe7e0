import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SinkFile, SinkRecord } from "@pipekit/adapters/tracker";
import { afterEach, beforeEach, expect, test } from "vitest";
import { wandbArtifactName } from "../../adapters/wandb/server/artifact-name.ts";
import { type FakeWandb, startFakeWandb } from "../support/fake-wandb.ts";
import { callsOf, connect, NEVER, newRun, openRun, type Settings } from "./server-support.ts";

let server: FakeWandb;
let folder: string;

beforeEach(async () => {
  server = await startFakeWandb();
  folder = mkdtempSync(join(tmpdir(), "pkx-wandb-"));
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function file(path: string, content: string | Buffer): SinkFile {
  const localPath = join(folder, `f${Math.random()}`);
  writeFileSync(localPath, content);
  const bytes = Buffer.from(content);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { path, localPath, size: bytes.length, sha256 };
}

async function log(settings: Settings, ...artifacts: SinkRecord[]): Promise<readonly string[]> {
  const adapter = connect(server, settings);
  await openRun(adapter, newRun());
  expect(await adapter.send(artifacts, NEVER)).toEqual({ status: "ok" });
  await adapter.close();
  return adapter.takeNotes();
}

test("large files are sent in parts, small ones whole, empty ones too", async () => {
  const big = Buffer.from(Array.from({ length: 50_000 }, (_, index) => index % 251));
  const files = [file("big.bin", big), file("whole.bin", "x".repeat(9999)), file("empty", "")];
  const parts = { fromBytes: 10_000, partBytes: 16 * 1024 };
  await log({ options: { parts } }, { kind: "artifact", name: "model", files, uri: "" });
  const [stored] = server.artifacts;
  expect(stored?.state).toBe("COMMITTED");
  expect(stored?.files.get("big.bin")?.equals(big)).toBe(true);
  expect(stored?.files.get("whole.bin")?.length).toBe(9999);
  expect(stored?.files.get("empty")?.length).toBe(0);
  const [joined] = callsOf(server, "CompleteMultipartUploadArtifact");
  expect(joined?.["completedParts"]).toHaveLength(4);
});

test("content that the server has is not sent again", async () => {
  await log({}, { kind: "artifact", name: "a", files: [file("f", "same")], uri: "" });
  await log({}, { kind: "artifact", name: "b", files: [file("g", "same"), file("h", "other")], uri: "" });
  expect([...(server.artifacts[1]?.files.keys() ?? [])]).toEqual(["g", "h"]);
  expect(server.artifacts[1]?.files.get("g")).toBeUndefined();
  await log({}, { kind: "artifact", name: "a", files: [file("f", "same")], uri: "" });
  expect(server.artifacts).toHaveLength(2);
  expect(server.artifacts[0]?.runs.size).toBe(2);
});

test("an address is a reference", async () => {
  const uri = "s3://bucket/data?version=3";
  await log({}, { kind: "artifact", name: "sets/data", files: [], uri });
  const { contents } = JSON.parse(server.artifacts[0]?.manifest ?? "");
  expect(contents).toEqual({ data: { digest: uri, ref: uri } });
});

test("a name that W&B does not take is shown under another one, and a person is told", async () => {
  const notes = await log({}, { kind: "artifact", name: "models/été", files: [file("f", "x")], uri: "" });
  const name = wandbArtifactName("models/été");
  expect(name).toMatch(/^models--t--[0-9a-f]{10}$/);
  expect(wandbArtifactName("models-été")).not.toBe(name);
  expect(wandbArtifactName("a".repeat(500))).toHaveLength(128);
  expect(server.artifacts[0]).toMatchObject({ name, metadata: '{"pipekit":{"name":"models/été"}}' });
  expect(notes).toEqual([expect.stringContaining(name)]);
});

test("a commit that failed is made up for, without a second artifact", async () => {
  const adapter = connect(server);
  await openRun(adapter, newRun());
  const batch: SinkRecord[] = [{ kind: "artifact", name: "m", files: [file("f", "x")], uri: "" }];
  const abort = new AbortController();
  const pending = adapter.send(batch, abort.signal);
  while (callsOf(server, "CreateArtifactFiles").length === 0)
    await new Promise((done) => setTimeout(done, 1));
  abort.abort();
  expect(await pending).toMatchObject({ status: "retry" });
  expect(await adapter.send(batch, NEVER)).toEqual({ status: "ok" });
  expect(server.artifacts.map(({ state }) => state)).toEqual(["COMMITTED"]);
  await adapter.close();
});
