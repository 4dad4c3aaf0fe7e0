/** Frames and a journal in a temporary folder, for the tests of the journal. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Frame,
  type MetricRow,
  PipekitError,
  packRows,
  type Record,
  type RunResume,
  type RunStart,
  RunState,
} from "@pipekit/proto";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import { type Journal, openJournal } from "../../daemon/journal/index.ts";

export const SILENT = pino({ level: "silent" });

/** A state folder that is gone after the test. */
export async function stateFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "pkx-journal-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A journal that is closed after the test. */
export async function tempJournal(folder?: string): Promise<Journal> {
  const journal = await openJournal({ stateFolder: folder ?? (await stateFolder()), log: SILENT });
  onTestFinished(() => journal.close());
  return journal;
}

let lastId = 0;

/** A new id that sorts behind the ones before. */
export function newId(): string {
  return `01J0${String(++lastId).padStart(22, "0")}`;
}

export function start(fields: Partial<RunStart> = {}): Record {
  const value: RunStart = {
    name: "digits",
    tracker: "",
    sinks: [],
    pipelineHash: "",
    configJson: '{"lr":0.1}',
    startedAtUs: 1_700_000_000_000_000,
    client: "test/0",
    host: "here",
    pid: 7,
    systemMetricsIntervalMs: 0,
    tags: {},
    member: undefined,
    ...fields,
  };
  return { record: { $case: "start", value } };
}

/** Rows of one key set; times are the steps. */
export function metrics(points: { readonly [key: string]: readonly number[] }, firstStep = 0): Record {
  const keys = Object.keys(points);
  const length = Math.max(...Object.values(points).map((values) => values.length));
  const rows: MetricRow[] = Array.from({ length }, (_, i) => ({
    keys,
    step: firstStep + i,
    timeUs: 1_000_000 + firstStep + i,
    values: keys.map((key) => points[key]?.[i] ?? Number.NaN),
  }));
  return { record: { $case: "metrics", value: packRows(rows) } };
}

export function params(value: object): Record {
  return { record: { $case: "params", value: { paramsJson: JSON.stringify(value) } } };
}

export function tags(value: { [name: string]: string }): Record {
  return { record: { $case: "tags", value: { tags: value } } };
}

export function artifact(name: string): Record {
  const files = [{ path: "", sha256: "ab".repeat(32), size: 3 }];
  return { record: { $case: "artifact", value: { name, path: "", staged: false, files, uri: "" } } };
}

export function end(state: "completed" | "failed" = "completed", reason = ""): Record {
  const runState = state === "completed" ? RunState.RUN_STATE_COMPLETED : RunState.RUN_STATE_FAILED;
  return { record: { $case: "end", value: { state: runState, reason, endedAtUs: 1_700_000_001_000_000 } } };
}

export function resume(fields: Partial<RunResume> = {}): Record {
  const value = {
    resumedAtUs: 1_700_000_002_000_000,
    client: "test/0",
    host: "here",
    pid: 8,
    reason: "",
    ...fields,
  };
  return { record: { $case: "resume", value } };
}

export function frame(runId: string, writerId: string, seq: number, ...records: Record[]): Frame {
  return { runId, writerId, seq, records };
}

/** Starts a run of its own and returns its id and its writer's. */
export async function startRun(
  journal: Journal,
  fields: Partial<RunStart> = {},
  sinks: readonly string[] = [],
): Promise<{ runId: string; writerId: string }> {
  const ids = { runId: newId(), writerId: newId() };
  await journal.append(frame(ids.runId, ids.writerId, 1, start(fields)), sinks);
  return ids;
}

/** The outcome of an append as one word: its result, or the code of its failure. */
export async function outcome(result: Promise<unknown>): Promise<unknown> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof PipekitError) return error.code;
    throw error;
  }
}
