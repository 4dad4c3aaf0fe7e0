import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { mlflowTracker, mlflowTrackerWith } from "@pipekit/adapters/mlflow";
import type { SinkRecord } from "@pipekit/adapters/tracker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { experimentId, historyOf, mlflowCall, runsOf, shownRun } from "../support/mlflow-client.ts";
import { type MlflowServer, startMlflowServer } from "../support/mlflow-server.ts";
import { toolPath } from "../support/tools.ts";
import { CONTEXT, file, NEVER, newRun, type Opened, openRun, point } from "./support.ts";

const LONG = "long/".repeat(60).slice(0, 260);

let server: MlflowServer;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pipekit-mlflow-test-"));
  server = await startMlflowServer();
});

afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const open = (run = newRun(), experiment = "real") =>
  openRun(mlflowTracker, `mlflow://${server.host}/${encodeURIComponent(experiment)}`, run, {
    ...CONTEXT,
    env: { USER: "ada" },
  });

const shown = async ({ run }: Opened, experiment = "real") => {
  const [found] = await runsOf(server.url, experiment, run.runId);
  if (found === undefined) throw new Error("MLflow shows no run.");
  return { ...(await shownRun(server.url, found)), info: found.info };
};

describe("against a real MLflow", () => {
  test("the MLflow client reads back everything", async () => {
    const run = newRun({ name: "forecast ü", tags: { "team@": "red", "mlflow.note.content": "hi" } });
    const { adapter, open: opened } = await open(run);
    const artifacts: SinkRecord[] = [
      { kind: "artifact", name: "notes.txt", uri: "", files: [file(folder, "notes.txt", "hello", "")] },
      {
        kind: "artifact",
        name: "plots/deep",
        uri: "",
        files: [file(folder, "a b+ü.png", Buffer.alloc(300_000, 7)), file(folder, "sub/100%25#?.txt", "")],
      },
      { kind: "artifact", name: "data", uri: "s3://bucket/key", files: [] },
    ];
    const result = await adapter.send(
      [
        { kind: "params", params: { lr: "0.1", "opt@x": "é😀", empty: "" } },
        point("loss", 0, 1.5),
        point("loss", 1, Number.NaN),
        point("loss", 2, Number.POSITIVE_INFINITY),
        point("loss", -3, Number.NEGATIVE_INFINITY),
        point("big", Number.MAX_SAFE_INTEGER, 5e-324, 0),
        point("acc@1", 0, 0.1),
        point(LONG, 0, 2),
        { kind: "tags", tags: { stage: "dev" } },
        ...artifacts,
      ],
      NEVER,
    );
    expect(result).toEqual({ status: "ok" });
    const end = { state: "failed", reason: "killed", endedAtUs: 1_760_000_009_999_999 } as const;
    expect(await adapter.finish(end, NEVER)).toEqual({ status: "ok" });

    const python = toolPath("python");
    const script = join(import.meta.dirname, "read_back.py");
    const target = mkdtempSync(join(folder, "download-"));
    const { stdout } = await promisify(execFile)(python, [script, server.url, opened.remoteId, target]);
    const seen = JSON.parse(stdout);
    const longKey = Object.keys(seen.history).find((key) => key.startsWith("long/")) as string;
    expect(seen).toMatchObject({
      name: "forecast ü",
      user: "ada",
      status: "KILLED",
      start: 1_760_000_000_123,
      end: 1_760_000_009_999,
      params: { lr: "0.1", opt_0x40_x: "é😀", empty: "" },
    });
    const t = 1_760_000_000_000;
    expect(seen.history).toEqual({
      loss: [
        [-3, "-1.7976931348623157e+308", t - 3],
        [0, "1.5", t],
        [1, "nan", t + 1],
        [2, "1.7976931348623157e+308", t + 2],
      ],
      big: [[Number.MAX_SAFE_INTEGER, "5e-324", Number.MAX_SAFE_INTEGER]],
      acc_0x40_1: [[0, "0.1", t]],
      [longKey]: [[0, "2.0", t]],
    });
    expect(seen.tags).toMatchObject({
      "pipekit.run_id": run.runId,
      "pipekit.pipeline_hash": run.pipelineHash,
      "pipekit.host": "host-a",
      "pipekit.reason": "killed",
      "pipekit.artifact.data": "s3://bucket/key",
      "pipekit.key.acc_0x40_1": "acc@1",
      "pipekit.key.opt_0x40_x": "opt@x",
      [`pipekit.key.${longKey}`]: LONG,
      "mlflow.source.name": "python/0.1.0",
      "mlflow.user": "ada",
      "mlflow.note.content": "hi",
      team_0x40_: "red",
      stage: "dev",
    });
    const digests = artifacts.flatMap((record) => (record.kind === "artifact" ? record.files : []));
    expect(seen.files).toEqual({
      "notes.txt": digests[0]?.sha256,
      "plots/deep/a b+ü.png": digests[1]?.sha256,
      "plots/deep/sub/100_0x25_25_0x23__0x3F_.txt": digests[2]?.sha256,
    });
    const notes = adapter.takeNotes();
    expect(notes).toHaveLength(5);
    expect(notes.join("\n")).toContain("`acc@1`; it is shown as `acc_0x40_1`");
    expect(adapter.takeNotes()).toEqual([]);
  });

  test("NaN, infinities and merged milliseconds are shown once each, however often they are sent", async () => {
    const opened = await open();
    const batch = [
      ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 1].map((value) =>
        point("m", 1, value),
      ),
      // Equal in all that MLflow looks at, but for microseconds, or even with them.
      ...[0, 1, 2, 2].map((us) => point("twin", 0, Number.NaN, 1_760_000_000_000_000 + us)),
    ];
    const next = mlflowTracker.connect(mlflowTracker.parse(`mlflow://${server.host}/real`), CONTEXT);
    await next.open(opened.run, opened.open.memo, NEVER);
    for (const adapter of [opened.adapter, opened.adapter, next]) {
      expect(await adapter.send(batch, NEVER)).toEqual({ status: "ok" });
    }
    expect(await next.send(batch.slice(2, 8), NEVER)).toEqual({ status: "ok" });
    const count = await next.count(["m", "twin"], NEVER);
    expect(count).toEqual({ points: 9, byKey: { m: 5, twin: 4 } });
    const [note, ...others] = opened.adapter.takeNotes();
    expect(note).toContain("`twin`");
    expect(others).toEqual([]);
  });

  test("batches beyond MLflow's limits become several requests", async () => {
    const opened = await open();
    const params = Object.fromEntries(
      Array.from({ length: 250 }, (_, index) => [`p${index}`, "v".repeat(6000)]),
    );
    const points = Array.from({ length: 1000 }, (_, index) => point(`odd#${index % 120}`, index, index));
    const batch: SinkRecord[] = [
      { kind: "params", params },
      ...points,
      { kind: "tags", tags: { "odd#1": "t" } },
    ];
    expect(await opened.adapter.send(batch, NEVER)).toEqual({ status: "ok" });
    const run = await shown(opened);
    expect(Object.keys(run.params)).toHaveLength(250);
    expect(run.points).toHaveLength(1000);
    expect(run.tags["odd_0x23_1"]).toBe("t");
    expect(opened.adapter.takeNotes()).toHaveLength(120);
  });

  test("values too long are cut, always in the same way, and texts no database takes are mended", async () => {
    const opened = await open();
    const batch: SinkRecord[] = [
      { kind: "params", params: { long: "😀".repeat(7000), odd: "a\0b\ud800c" } },
      { kind: "tags", tags: { long: "y".repeat(9000), odd: "\udc00" } },
    ];
    expect(await opened.adapter.send(batch, NEVER)).toEqual({ status: "ok" });
    expect(await opened.adapter.send(batch, NEVER)).toEqual({ status: "ok" });
    const { params, tags } = await shown(opened);
    expect([...(params["long"] ?? "")]).toHaveLength(6000);
    expect(params["long"]).toMatch(/😀 \[cut by pipekit: 7000 characters, sha256 [0-9a-f]{16}\]$/u);
    expect(params["odd"]).toBe("a\uFFFDb\uFFFDc");
    expect(tags["long"]).toMatch(/y \[cut by pipekit: 9000 characters, sha256 [0-9a-f]{16}\]$/);
    // Older servers take less.
    expect([8000, 5000]).toContain(tags["long"]?.length);
    expect(tags["odd"]).toBe("\uFFFD");
    const notes = opened.adapter.takeNotes().filter((note) => note.includes("`long`"));
    expect(notes.length).toBeGreaterThanOrEqual(2);
  });

  test("a param that would change is refused alone, with its reason", async () => {
    const opened = await open();
    await opened.adapter.send([{ kind: "params", params: { lr: "0.1" } }], NEVER);
    const batch: SinkRecord[] = [
      { kind: "params", params: { lr: "0.1", depth: "3" } },
      { kind: "params", params: { lr: "0.2", width: "4" } },
      { kind: "params", params: { depth: "5" } },
      ...Array.from({ length: 20 }, (_, index) => point("loss", index, index)),
    ];
    const result = await opened.adapter.send(batch, NEVER);
    expect(result).toMatchObject({ status: "permanent", rejected: [1, 2] });
    expect(result).toHaveProperty(
      "reason",
      expect.stringContaining("`lr`: MLflow refuses: Changing param values"),
    );
    const run = await shown(opened);
    expect(run.params).toEqual({ lr: "0.1", depth: "3", width: "4" });
    expect(run.points).toHaveLength(20);
  });

  test("a large file is sent whole where the store takes no parts", async () => {
    const kind = mlflowTrackerWith({ fromBytes: 1000, partBytes: 400 });
    const opened = await openRun(kind, `mlflow://${server.host}/real`);
    const large = file(folder, "large.bin", Buffer.alloc(2_500_000, 3), "");
    const record: SinkRecord = { kind: "artifact", name: "m/large.bin", uri: "", files: [large] };
    expect(await opened.adapter.send([record, record], NEVER)).toEqual({ status: "ok" });
    const listed = await mlflowCall<{ files: object[] }>(
      server.url,
      `artifacts/list?run_id=${opened.open.remoteId}&path=m`,
    );
    expect(listed.files).toEqual([{ path: "m/large.bin", is_dir: false, file_size: 2_500_000 }]);
  });

  test("a file that is gone or has changed is refused, and the rest is taken", async () => {
    const opened = await open();
    const gone = { ...file(folder, "gone.txt", "x", ""), localPath: join(folder, "nowhere") };
    const changed = file(folder, "changed.txt", "123456", "");
    truncateSync(changed.localPath, 3);
    const batch: SinkRecord[] = [
      { kind: "artifact", name: "gone.txt", uri: "", files: [gone] },
      point("loss", 0, 1),
      { kind: "artifact", name: "changed.txt", uri: "", files: [changed] },
    ];
    const result = await opened.adapter.send(batch, NEVER);
    expect(result).toMatchObject({ status: "permanent", rejected: [0, 2] });
    expect(result).toHaveProperty(
      "reason",
      expect.stringMatching(/cannot be read any more.*3 bytes instead of 6/),
    );
    expect((await shown(opened)).points).toHaveLength(1);
  });

  test("counts beyond one page", async () => {
    const { adapter } = await open();
    for (let first = 0; first < 20_500; first += 1000) {
      const size = Math.min(1000, 20_500 - first);
      await adapter.send(
        Array.from({ length: size }, (_, index) => point("many", first + index, 1)),
        NEVER,
      );
    }
    expect(await adapter.count(["many", "none"], NEVER)).toEqual({
      points: 20_500,
      byKey: { many: 20_500, none: 0 },
    });
  });

  test("a deleted run takes nothing more and says how to restore it", async () => {
    const { adapter, run, open: opened } = await open();
    await mlflowCall(server.url, "runs/delete", { run_id: opened.remoteId });
    const sent = await adapter.send([point("loss", 0, 1), point("loss", 1, 1)], NEVER);
    expect(sent).toMatchObject({
      status: "permanent",
      reason: expect.stringContaining("mlflow runs restore"),
    });
    expect(sent).not.toHaveProperty("rejected");
    const end = { state: "completed", reason: "", endedAtUs: 1e15 } as const;
    expect(await adapter.finish(end, NEVER)).toMatchObject({ status: "permanent" });
    const again = mlflowTracker.connect(`mlflow://${server.host}/real`, CONTEXT);
    const reopened = await again.open(run, undefined, NEVER);
    expect(reopened).toMatchObject({ status: "permanent", reason: expect.stringContaining(opened.remoteId) });
    const unknown = { ...opened.memo, mlflowRunId: "0".repeat(32) };
    expect(await again.open(run, unknown, NEVER)).toMatchObject({ status: "ok" });
    const lost = await again.send([point("loss", 0, 1)], NEVER);
    expect(lost).toMatchObject({ status: "permanent", reason: expect.stringContaining("no run 000") });
  });

  test("a deleted experiment is refused and says how to restore it", async () => {
    await open(newRun(), "doomed");
    const id = await experimentId(server.url, "doomed");
    await mlflowCall(server.url, "experiments/delete", { experiment_id: id });
    const adapter = mlflowTracker.connect(`mlflow://${server.host}/doomed`, CONTEXT);
    const result = await adapter.open(newRun(), undefined, NEVER);
    const mend = `mlflow experiments restore --experiment-id ${id}`;
    expect(result).toMatchObject({ status: "permanent", reason: expect.stringContaining(mend) });
  });

  test("runs that start together make one experiment", async () => {
    const opened = await Promise.all(Array.from({ length: 5 }, () => open(newRun(), "team a/ü ?#")));
    expect(new Set(opened.map(({ open }) => open.memo["experimentId"])).size).toBe(1);
    expect(opened[0]?.open.remoteUrl).toContain(`${server.url}/#/experiments/`);
  });
});

test("a server below a prefix, without artifact proxy", { timeout: 150_000 }, async ({ skip }) => {
  const prefixed = await startMlflowServer({ staticPrefix: "/team/ml", serveArtifacts: false });
  try {
    // Old releases serve pages below the prefix, and no calls.
    if ((await fetch(`${prefixed.url}/version`)).status === 404) skip();
    const spec = `mlflow://${prefixed.host}/x?base=/team/ml`;
    const { adapter, open } = await openRun(mlflowTracker, spec);
    expect(open.remoteUrl).toMatch(new RegExp(`^${prefixed.url}/#/experiments/`));
    const batch: SinkRecord[] = [
      point("loss", 0, 1),
      { kind: "artifact", name: "a.txt", uri: "", files: [file(folder, "a.txt", "x", "")] },
      point("loss", 1, 1),
    ];
    const result = await adapter.send(batch, NEVER);
    expect(result).toMatchObject({ status: "permanent", rejected: [1] });
    expect(result).toHaveProperty("reason", expect.stringContaining("--serve-artifacts"));
    expect(await historyOf(prefixed.url, open.remoteId, "loss")).toHaveLength(2);

    // The root says that the server takes artifacts, but it was started anew without.
    const proxied = { ...open.memo, artifactUri: "mlflow-artifacts:/1/abc/artifacts" };
    await adapter.open(newRun(), proxied, NEVER);
    const refused = await adapter.send(batch, NEVER);
    expect(refused).toMatchObject({ status: "permanent", rejected: [1] });
    expect(refused).toHaveProperty("reason", expect.stringContaining("--no-serve-artifacts"));
  } finally {
    await prefixed.stop();
  }
});
