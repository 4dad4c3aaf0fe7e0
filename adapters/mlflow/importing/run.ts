/** What a run of MLflow is to us, whichever store it was read from. */
import { createHash } from "node:crypto";
import type { PastEnd, PastRecord, PastRun } from "@pipekit/adapters/history";

/** A run as a store has it. Times are unix milliseconds, as in MLflow. */
export interface StoredRun {
  readonly uuid: string;
  readonly name: string;
  readonly experiment: string;
  /** FINISHED and so on; RUNNING when a store does not say. */
  readonly status: string;
  readonly startMs: number;
  /** 0 while it runs. */
  readonly endMs: number;
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

/** A listed run with what its list told already. */
export interface MlflowRun extends PastRun {
  readonly stored: StoredRun;
}

/** Our adapter's tag of the run that was delivered. */
const RUN_ID_TAG = "pipekit.run_id";

/** `metrics` is a text that changes when points come. */
export function listedRun(stored: StoredRun, place: string, metrics: string): MlflowRun {
  const { uuid, name, status, startMs, endMs, params, tags } = stored;
  const all = JSON.stringify([status, endMs, name, sorted(params), sorted(tags), metrics]);
  const deliveredFrom = tags[RUN_ID_TAG];
  return {
    identity: `mlflow/${uuid}`,
    id: uuid,
    name: name || tags["mlflow.runName"] || uuid,
    startedAtUs: startMs * 1000,
    host: "",
    place,
    revision: createHash("sha256").update(all).digest("hex").slice(0, 16),
    stored,
    ...(deliveredFrom === undefined ? {} : { deliveredFrom }),
  };
}

/** What stands before the points. */
export function* firstRecords({ params, tags, experiment }: StoredRun): Generator<PastRecord> {
  yield { kind: "params", params };
  yield { kind: "tags", tags: { ...tags, "mlflow.experimentName": experiment } };
}

/** What stands behind all else. */
export function* lastRecords(stored: StoredRun): Generator<PastRecord> {
  const end = endOf(stored);
  if (end !== undefined) yield { kind: "end", end };
}

/** One sentence on runs that were deleted at MLflow. */
export function deletedNote(count: number): string {
  return `${count === 1 ? "One run that was" : `${count} runs that were`} deleted in MLflow ${count === 1 ? "is" : "are"} left out.`;
}

function endOf({ status, startMs, endMs }: StoredRun): PastEnd | undefined {
  const endedAtUs = (endMs || startMs) * 1000;
  switch (status) {
    case "FINISHED":
      return { state: "completed", reason: "", endedAtUs };
    case "FAILED":
      return { state: "failed", reason: "", endedAtUs };
    case "KILLED":
      return { state: "failed", reason: "killed", endedAtUs };
    default:
      return undefined;
  }
}

function sorted(texts: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(texts).sort(([a], [b]) => (a < b ? -1 : 1));
}
