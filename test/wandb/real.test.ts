/** The same script, logged by W&B's own client and by us to one server, reads back alike. */

import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SinkFile, SinkRecord } from "@pipekit/adapters/tracker";
import { afterAll, beforeAll, expect, test } from "vitest";
import { manifestDigest } from "../../adapters/wandb/server/manifest.ts";
import {
  FAKE_KEY,
  type FakeWandb,
  type FakeWandbRun,
  parseLine,
  shownRows,
  startFakeWandb,
} from "../support/fake-wandb.ts";
import { type LogScript, logByClient } from "./real-client.ts";
import { connect, NEVER, newRun, openRun, START_US, theRun } from "./server-support.ts";

const SCRIPT: LogScript = {
  ...{ entity: "team", project: "proj", id: "by-the-client", name: "a run" },
  ...{ tags: ["team=red", "baseline"], exit_code: 1 },
  config: { lr: 0.1, model: { depth: 3, name: "007", layers: [1, 2] }, on: true, none: null, text: 'é\n"q"' },
  rows: [
    [0, { loss: "1.5", "val/acc": "0.25" }],
    [1, { loss: "1e-7" }],
    [1, { "val/acc": "1e300" }],
    [7, { loss: "NaN", odd: "-Infinity" }],
    [100, { loss: "-0.1", "a.b": "3" }],
  ],
  late_config: { late: 5 },
  artifact: {
    name: "model",
    files: { "w.bin": "weights", "sub/é.txt": "x", "sub/\u{1f525}.txt": "y", "sub/\uff5e.txt": "", Z: "z" },
    references: { ref: "https://example.com/x.bin?v=3" },
  },
};

let server: FakeWandb;
let folder: string;

beforeAll(async () => {
  server = await startFakeWandb();
  folder = mkdtempSync(join(tmpdir(), "pkx-wandb-"));
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The script as delivery would hand it to an adapter. */
async function logByUs(script: LogScript): Promise<FakeWandbRun> {
  const tags = Object.fromEntries(script.tags.map((tag) => [tag.split("=")[0], tag.split("=")[1] ?? ""]));
  const run = newRun({ name: script.name, tags, configJson: JSON.stringify(script.config) });
  const adapter = connect(server, { path: `${script.entity}/${script.project}` });
  await openRun(adapter, run);
  const points = script.rows.flatMap(([step, values], at) =>
    Object.entries(values).map(([key, value]): SinkRecord => {
      return { kind: "point", key, step, value: Number(value), timeUs: START_US + at * 1000 };
    }),
  );
  const late = Object.entries(script.late_config).map(([key, value]) => [key, JSON.stringify(value)]);
  const files = Object.entries(script.artifact.files).map(([path, text]) => file(path, text));
  const [uri = ""] = Object.values(script.artifact.references);
  const batch: SinkRecord[] = [
    ...points.slice(0, 3),
    { kind: "params", params: Object.fromEntries(late) },
    { kind: "artifact", name: script.artifact.name, files, uri: "" },
    { kind: "artifact", name: "ref", files: [], uri },
  ];
  expect(await adapter.send(batch, NEVER)).toEqual({ status: "ok" });
  expect(await adapter.send(points.slice(3), NEVER)).toEqual({ status: "ok" });
  const end = { state: "failed", reason: "", endedAtUs: START_US + 9_000_000 } as const;
  expect(await adapter.finish(end, NEVER)).toEqual({ status: "ok" });
  expect(adapter.takeNotes()).toEqual([]);
  await adapter.close();
  return theRun(server, run);
}

function file(path: string, text: string): SinkFile {
  const localPath = join(folder, createHash("md5").update(path).digest("hex"));
  writeFileSync(localPath, text);
  const sha256 = createHash("sha256").update(text).digest("hex");
  return { path, localPath, size: Buffer.byteLength(text), sha256 };
}

/** What one set lacks of another. */
function lacking(one: ReadonlySet<string>, other: ReadonlySet<string>): string[] {
  return [...other].filter((name) => !one.has(name)).sort();
}

/** What a person set of a run, without what differs by nature; those are named in the first test. */
function readBack(run: FakeWandbRun): unknown {
  const without = (row: Record<string, unknown>, names: readonly string[]) =>
    Object.fromEntries(Object.entries(row).filter(([name]) => !names.includes(name)));
  const { _wandb, pipekit, ...config } = run.config;
  const rows = shownRows(run).map((row) => without(row, ["_timestamp", "_runtime", "pipekit/step"]));
  const summary = parseLine(run.lines["wandb-summary.json"]?.at(-1) ?? "{}");
  return {
    ...{ config, rows, summary: without(summary, ["_timestamp", "_runtime", "_wandb"]) },
    ...{ name: run.displayName, state: run.state, exitCode: run.exitCode },
    tags: run.tags.toSorted(),
  };
}

test("a script logged by W&B's client and by us reads back alike", async () => {
  const digest = await logByClient(server.url, FAKE_KEY, SCRIPT);
  const theirs = server.runs.get("team/proj/by-the-client");
  const ours = await logByUs(SCRIPT);
  if (theirs === undefined) throw new Error("The client made no run.");
  expect(readBack(ours)).toEqual(readBack(theirs));
  // Differences by name. Rows: we add the axis; times are when it was logged. Config: our facts of the run; below
  // `_wandb` the client tells what it is and where it runs, and we hide our axis.
  const names = (run: FakeWandbRun) => new Set(shownRows(run).flatMap((row) => Object.keys(row)));
  expect([lacking(names(ours), names(theirs)), lacking(names(theirs), names(ours))]).toEqual([
    [],
    ["pipekit/step"],
  ]);
  const keys = (run: FakeWandbRun) => new Set(Object.keys(run.config));
  expect([lacking(keys(ours), keys(theirs)), lacking(keys(theirs), keys(ours))]).toEqual([[], ["pipekit"]]);
  const own = (run: FakeWandbRun) => new Set(Object.keys(run.config["_wandb"]?.value as object));
  // Old clients (0.16) tell of the program one by one, and of no metric that has no axis.
  const isOld = !own(theirs).has("e");
  const facts = isOld ? ["is_jupyter_run", "is_kaggle_kernel", "start_time"] : ["e"];
  expect(lacking(own(ours), own(theirs))).toEqual(["cli_version", "python_version", ...facts].sort());
  expect(lacking(own(theirs), own(ours))).toEqual(isOld ? ["m"] : []);

  const [first] = server.artifacts.filter(({ runs }) => runs.has("by-the-client"));
  expect(first?.digest).toBe(digest);
  const entries = (text: string | undefined) => {
    const { contents, ...policy } = JSON.parse(text ?? "{}") as { contents: Record<string, object> };
    const plain = Object.entries(contents).map(([path, entry]) => {
      const { birthArtifactID, skip_cache, local_path, ...rest } = entry as Record<string, unknown>;
      return [path, "ref" in rest ? { digest: rest["digest"], ref: rest["ref"] } : rest] as const;
    });
    return { policy, contents: Object.fromEntries(plain) };
  };
  const [files] = server.artifacts.filter(({ name, runs }) => name === "model" && runs.has(ours.name));
  const [reference] = server.artifacts.filter(({ name, runs }) => name === "ref" && runs.has(ours.name));
  const their = entries(first?.manifest);
  const our = entries(files?.manifest);
  expect({ ...our.contents, ...entries(reference?.manifest).contents }).toEqual(their.contents);
  expect(our.policy).toEqual(their.policy);
}, 120_000);

test("the digest of a manifest is W&B's", async () => {
  const { artifact } = SCRIPT;
  const entries = [
    ...Object.entries(artifact.files).map(([path, text]) => {
      return { path, digest: createHash("md5").update(text).digest("base64"), size: Buffer.byteLength(text) };
    }),
    ...Object.entries(artifact.references).map(([path, uri]) => ({ path, digest: uri, ref: uri })),
  ];
  expect(manifestDigest(entries)).toBe(
    server.artifacts.find(({ runs }) => runs.has("by-the-client"))?.digest,
  );
});
