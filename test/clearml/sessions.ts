/** What an import of offline sessions would show, read as ClearML's client reads them. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ShownRun } from "../contract/tracker-harness.ts";
import { FakeClearmlState, type FakeTask, isRecord } from "../support/fake-clearml-state.ts";
import { toolPath } from "../support/tools.ts";
import { arrivedPoints, shownArtifacts, shownRun } from "./support.ts";

const PYTHON = toolPath("python");

/** A session as an import makes a task of it. */
export interface ImportedSession {
  readonly shown: ShownRun;
  readonly artifacts: Readonly<Record<string, string>>;
  /** Points in the order in which they stand in the file, of equal steps all. */
  readonly arrivals: readonly { readonly key: string; readonly step: number; readonly value: number }[];
}

/** Sessions in a folder that carry our run id. */
export function sessionsOf(folder: string, runId: string): ImportedSession[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return (
    names
      .filter((name) => /^offline-[0-9a-f]{32}$/.test(name))
      // One that was killed before it had begun has none.
      .filter((name) => existsSync(join(folder, name, "task.json")))
      .filter((name) => readFileSync(join(folder, name, "task.json"), "latin1").includes(`"${runId}"`))
      .map((name) => readSession(join(folder, name)))
  );
}

/** Reads the zip, which Python's reader checks, when there is one, else the folder. */
function readSession(folder: string): ImportedSession {
  const zip = `${folder}.zip`;
  if (!existsSync(zip)) return imported(folder, "in_progress");
  const unpacked = mkdtempSync(join(tmpdir(), "pkx-clearml-zip-"));
  try {
    const script = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])";
    execFileSync(PYTHON, ["-c", script, zip, unpacked]);
    return imported(unpacked, "completed");
  } finally {
    rmSync(unpacked, { recursive: true, force: true });
  }
}

function imported(folder: string, status: string): ImportedSession {
  const task: FakeTask & { offline_folder: string } = JSON.parse(
    ascii(readFileSync(join(folder, "task.json"))),
  );
  const state = new FakeClearmlState();
  const shownTask = { ...task, status };
  state.tasks.push(shownTask);
  const data = `${task.offline_folder}/data/`;
  for (const { uri } of task.execution.artifacts) {
    if (!uri.startsWith(data)) continue;
    state.files.set(uri.slice(data.length), readFileSync(join(folder, "data", uri.slice(data.length))));
  }
  // What stands behind the last newline is half a line of a writer that was killed.
  for (const line of ascii(readFileSync(join(folder, "metrics.jsonl")))
    .split("\n")
    .slice(0, -1)) {
    const events: unknown = JSON.parse(line);
    if (Array.isArray(events)) state.addEvents(events.filter(isRecord));
  }
  return {
    shown: shownRun(state, shownTask),
    artifacts: shownArtifacts(state, shownTask, data.slice(0, -1)),
    arrivals: arrivedPoints(state, shownTask),
  };
}

function ascii(bytes: Buffer): string {
  if (bytes.some((byte) => byte > 0x7f)) throw new Error("There is more than ASCII in the file.");
  return bytes.toString("latin1");
}
