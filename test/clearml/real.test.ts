/** The real ClearML client against the fake server, and beside us: the same script reads back alike. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clearmlTracker } from "@pipekit/adapters/clearml";
import type { SinkRecord, TrackerAdapter } from "@pipekit/adapters/tracker";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type FakeClearml, type FakeTask, startFakeClearml } from "../support/fake-clearml.ts";
import {
  CONTEXT,
  file,
  NEVER,
  newRun,
  point,
  realClient,
  shownArtifacts,
  shownRun,
  tasksOf,
} from "./support.ts";

const NOTES = "some notes\n";

let server: FakeClearml;
let home: string;
let notes: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "pkx-clearml-real-"));
  notes = join(home, "notes.txt");
  writeFileSync(notes, NOTES);
  server = await startFakeClearml();
});

afterAll(async () => {
  await server?.close();
  rmSync(home, { recursive: true, force: true });
});

/** What online.py logs. */
function script(): SinkRecord[] {
  const points = Array.from({ length: 25 }, (_, step) => [
    point("loss", step, step / 8),
    point("val/acc", step, step / 4),
  ]).flat();
  return [
    { kind: "params", params: { lr: "0.1", "model.depth": "3" } },
    ...points,
    point("loss", 3, 99, 1_770_000_000_000_000),
    { kind: "artifact", name: "notes.txt", uri: "", files: [file(home, "notes.txt", NOTES, "")] },
  ];
}

async function logOurs(
  spec: string,
  name = "script",
): Promise<{ runId: string; adapter: TrackerAdapter; id: string }> {
  const adapter = clearmlTracker.connect(clearmlTracker.parse(spec), CONTEXT);
  const run = newRun({ name, tags: { team: "red" } });
  const open = await adapter.open(run, undefined, NEVER);
  if (open.status !== "ok") throw new Error(open.reason);
  expect(await adapter.send(script(), NEVER)).toEqual({ status: "ok" });
  const end = { state: "completed", reason: "", endedAtUs: 1_770_000_001_000_000 } as const;
  expect(await adapter.finish(end, NEVER)).toEqual({ status: "ok" });
  return { runId: run.runId, adapter, id: open.remoteId };
}

const taskOf = (id: string): FakeTask => server.state.task(id);

/** What a person sees of a task, without times and places. */
function seen(task: FakeTask) {
  const { points, params, tags, state } = shownRun(server.state, task);
  const [artifact] = task.execution.artifacts;
  return {
    name: task.name,
    project: server.state.projects.find(({ id }) => id === task.project)?.name,
    type: task["type"],
    points: points.map(({ key, step, value }) => `${key} ${step} ${value}`).sort(),
    params,
    tags,
    state,
    files: shownArtifacts(server.state, task, server.url),
    artifact: {
      key: artifact?.key,
      type: artifact?.["type"],
      hash: artifact?.["hash"],
      size: artifact?.["content_size"],
    },
  };
}

const serverSpec = () => {
  const { host } = new URL(server.url);
  return `clearml+http://${host}/demo/differential?files=${server.url}&web=${server.url}`;
};

test("the real client works against the fake server, and our adapter leaves there what it does", {
  timeout: 60_000,
}, async () => {
  const real = (await realClient(
    server,
    home,
    "online.py",
    "online",
    "demo/differential",
    "script",
    notes,
  )) as {
    id: string;
  };
  expect(server.unknown).toEqual(new Set());
  const theirs = seen(taskOf(real.id));
  // That the fake keeps what the client sends, and the last of two values of one step.
  expect(theirs).toMatchObject({
    params: { lr: "0.1", "model.depth": "3" },
    tags: { team: "red" },
    state: "completed",
    files: { "notes.txt": NOTES },
  });
  expect(theirs.points).toHaveLength(50);
  expect(theirs.points).toContain("loss 3 99");

  const ours = await logOurs(serverSpec());
  expect(seen(taskOf(ours.id))).toEqual(theirs);
  const uri = (id: string) => taskOf(id).execution.artifacts[0]?.uri.replaceAll("%2F", "/").replace(id, "ID");
  expect(uri(ours.id)).toBe(uri(real.id));
  const count = await ours.adapter.count(["loss", "val/acc"], NEVER);
  expect(count).toEqual({ points: 50, byKey: { loss: 25, "val/acc": 25 } });
  expect(ours.adapter.takeNotes()).toEqual([
    expect.stringContaining("`loss` has several points of one step"),
  ]);
});

test("our zip is imported by the real client as its own is", { timeout: 90_000 }, async () => {
  const real = (await realClient(
    server,
    home,
    "online.py",
    "offline",
    "demo/differential",
    "script",
    notes,
  )) as {
    zip: string;
  };
  const folder = join(home, "sessions ü");
  const ours = await logOurs(`clearml+offline://${encodeURI(folder)}?project=demo/differential`);
  const count = await ours.adapter.count(["loss", "val/acc"], NEVER);
  expect(count).toEqual({ points: 50, byKey: { loss: 25, "val/acc": 25 } });
  const zip = join(folder, `${ours.id}.zip`);
  const ids = (await realClient(server, home, "import_session.py", real.zip, zip)) as string[];
  expect(server.unknown).toEqual(new Set());
  const [theirs, imported] = ids.map(taskOf);
  if (theirs === undefined || imported === undefined) throw new Error("Nothing was imported.");
  expect(seen(imported)).toEqual(seen(theirs));
  expect(seen(imported).points).toHaveLength(50);
  expect(seen(imported).files).toEqual({ "notes.txt": NOTES });
  // The run can be found again by its id.
  expect(tasksOf(server.state, ours.runId)).toEqual([imported]);
  expect(ours.adapter.takeNotes()).toEqual([
    expect.stringContaining("`loss` has several points of one step"),
  ]);
});

test("odd names, texts and values survive the import", { timeout: 60_000 }, async () => {
  const folder = join(home, "odd");
  const adapter = clearmlTracker.connect(`clearml+offline://${folder}?project=odd/names`, CONTEXT);
  const run = newRun({ name: "é😀 run", tags: { "t é": "ü" } });
  const open = await adapter.open(run, undefined, NEVER);
  if (open.status !== "ok") throw new Error(open.reason);
  const batch: SinkRecord[] = [
    { kind: "params", params: { "opt.é😀": "ä\n\0", empty: "", __proto__x: "1" } },
    point("é/ü", 0, Number.NaN),
    point("é/ü", 1, 1e300),
    point("é/ü", 2, -0.1),
    point("system/gpu.0/memory", 0, 1),
    point("system/cpu", 0, 2),
    point("a-b/c", 0, 3),
    point("a/b-c", 0, 4),
    {
      kind: "artifact",
      name: "plots",
      uri: "",
      files: [file(home, "x y.png", Buffer.alloc(70_000, 9), "té/x y.png")],
    },
    { kind: "artifact", name: "data", uri: "s3://bucket/ké", files: [] },
  ];
  expect(await adapter.send(batch, NEVER)).toEqual({ status: "ok" });
  await adapter.finish({ state: "failed", reason: "killed", endedAtUs: 1_770_000_001_000_000 }, NEVER);
  const [id] = (await realClient(
    server,
    home,
    "import_session.py",
    join(folder, `${open.remoteId}.zip`),
  )) as string[];
  const task = taskOf(id ?? "");
  const events = server.state
    .scalars(task.id)
    .map((event) => [event.metric, event.variant, event.iter, event.value]);
  expect(events).toEqual([
    ["é", "ü", 0, null],
    ["é", "ü", 1, null],
    ["é", "ü", 2, -0.1],
    [":monitor:gpu", "gpu.0/memory", 0, 1],
    [":monitor:machine", "cpu", 0, 2],
    ["a-b", "c", 0, 3],
    ["a", expect.stringMatching(/^b-c_0xh[0-9a-f]{20}_$/), 0, 4],
  ]);
  const { params, tags } = shownRun(server.state, task);
  expect(params).toEqual({ "opt.é😀": "ä\n\0", empty: "", __proto__x: "1" });
  expect(tags).toEqual({ "t é": "ü" });
  expect(task.hyperparams["properties"]?.["pipekit_state"]?.value).toBe("stopped");
  const files = shownArtifacts(server.state, task, server.url);
  expect(files["data"]).toBe("s3://bucket/ké");
  expect(files["plots/té/x y.png"]).toHaveLength(70_000);
  const told = adapter.takeNotes().join("\n");
  for (const word of ["NaN", "`a/b-c`", "completed"]) expect(told).toContain(word);
});
