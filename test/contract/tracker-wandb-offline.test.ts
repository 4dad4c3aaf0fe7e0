import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { wandbTracker } from "@pipekit/adapters/wandb";
import { parseLine } from "../support/fake-wandb.ts";
import { startPythonReader } from "../support/python-reader.ts";
import { openSmallDisk } from "../support/small-disk.ts";
import { OfflineRecords } from "../wandb/offline-records.ts";
import { folderFaults } from "./folder-faults.ts";
import { describeTrackerContract, type ShownRun } from "./tracker-contract.ts";
import { NO_CONTEXT } from "./tracker-harness.ts";

describeTrackerContract("wandb offline", async () => {
  const disk = openSmallDisk();
  const reader = startPythonReader("test/wandb/offline_reader.py");
  const spec = wandbTracker.parse(`wandb+offline://${disk.folder}?project=contract&entity=team`);
  const runs = join(disk.folder, "wandb");
  const filesOf = (runId: string) =>
    readdirSync(runs)
      .filter((name) => name.endsWith(`-${runId}`))
      .map((name) => join(runs, name, `run-${runId}.wandb`));
  const read = async (runId: string) =>
    await Promise.all(filesOf(runId).map(async (file) => new OfflineRecords(await reader.ask({ file }))));
  return {
    kind: wandbTracker,
    spec,
    connect: () => wandbTracker.connect(spec, NO_CONTEXT),
    ...folderFaults(disk),
    remoteUrl: /^file:\/\/\//,
    ordered: true,
    // No such file any more.
    refused: {
      kind: "artifact",
      name: "model",
      uri: "",
      files: [{ path: "", localPath: "/nonexistent/model.bin", size: 1, sha256: "0".repeat(64) }],
    },
    show: async (runId) => (await read(runId)).map(shownRun),
    artifacts: async (runId) => Object.fromEntries((await read(runId)).flatMap(artifactsOf)),
    close: async () => {
      await reader.close();
      disk.close();
    },
  };
});

function shownRun(records: OfflineRecords): ShownRun {
  const points = records.history.flatMap((row) =>
    Object.entries(row)
      .filter(([key]) => !key.startsWith("_") && key !== "pipekit/step")
      .map(([key, value]) => {
        const timeMs = Math.floor(Math.round(Number(row["_timestamp"]) * 1e6) / 1000);
        return { key, step: Number(row["pipekit/step"]), value: Number(value), timeMs };
      }),
  );
  const params = Object.entries(records.config)
    .filter(([key]) => key !== "pipekit")
    .map(([key, json]) => [
      key,
      typeof parseLine(`{"v":${json}}`)["v"] === "string" ? JSON.parse(json) : json,
    ]);
  const tags = records.tags.map((tag) => tag.split("=", 2));
  const state = records.exitCode === undefined ? "running" : (ENDS[records.exitCode] ?? "failed");
  return { points, params: Object.fromEntries(params), tags: Object.fromEntries(tags), state };
}

const ENDS: Readonly<Record<number, ShownRun["state"]>> = { 0: "completed", 255: "killed" };

/** What `wandb sync` would upload: each file's text, or its address. */
function artifactsOf(records: OfflineRecords): [string, string][] {
  return records.artifacts.flatMap(({ name, manifest }) =>
    manifest.contents.map(({ path, local_path, ref }): [string, string] => [
      path === name ? name : `${name}/${path}`,
      ref ?? readFileSync(local_path ?? "", "utf8"),
    ]),
  );
}
