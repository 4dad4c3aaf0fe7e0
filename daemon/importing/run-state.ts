/** What an imported run is in the journal: how it begins, what is known of it, and whether it takes more. */
import type { PastEnd, PastRun } from "@pipekit/adapters/history";
import { PipekitError, type Record } from "@pipekit/proto";
import type { RunEntry } from "../journal/index.ts";
import type { ImportParts } from "./parts.ts";

/** Where a run comes from: the tool and the address or path. */
export const FROM_TAG = "pipekit.imported_from";
/** Its id in the tool. */
export const ID_TAG = "pipekit.imported_id";
/** The state of the source that was imported whole. */
export const REVISION_TAG = "pipekit.imported_revision";

/** What the journal has of a run; undefined for nothing. Throws CORRUPT_JOURNAL. */
export async function entryOf(journal: ImportParts["journal"], runId: string): Promise<RunEntry | undefined> {
  try {
    return await journal.run(runId);
  } catch (error) {
    if (error instanceof PipekitError && error.code === "RUN_NOT_FOUND") return undefined;
    throw error;
  }
}

/** Whether all that the source has of an ended run is here. */
export function isWhole(run: PastRun, entry: RunEntry): boolean {
  return run.revision !== "" && entry.state !== "running" && entry.tags[REVISION_TAG] === run.revision;
}

/** Why a run that is here takes nothing more; undefined when it does. */
export function closedTo(run: PastRun, entry: RunEntry): string | undefined {
  if (entry.prunedAtUs > 0) return `Run ${run.id} was pruned here, and is left out.`;
  // Somebody goes on with it by our own client: what comes from elsewhere would get between.
  const isOurs = entry.resume === undefined || entry.resume.client.startsWith("import/");
  return isOurs ? undefined : `Run ${run.id} was resumed here, and is left out.`;
}

/** Whether a run that is here ended so. */
export function isEndOf(entry: RunEntry | undefined, end: PastEnd): boolean {
  return (
    entry?.state === end.state && entry.reason === end.reason && entry.endedAtUs === Math.round(end.endedAtUs)
  );
}

/** The first record of a run that was not here. */
export function startOf(run: PastRun, tool: string): Record {
  return {
    record: {
      $case: "start",
      value: {
        name: run.name.toWellFormed(),
        tracker: "",
        sinks: [],
        pipelineHash: "",
        configJson: "{}",
        startedAtUs: Math.round(run.startedAtUs),
        client: `import/${tool}`,
        host: run.host.toWellFormed(),
        // Its process is none of this host's.
        pid: 0,
        tags: { [FROM_TAG]: `${tool} ${run.place}`.toWellFormed(), [ID_TAG]: run.id.toWellFormed() },
        systemMetricsIntervalMs: 0,
        member: undefined,
      },
    },
  };
}

/** The first record of what came behind an end. */
export function resumeOf(tool: string): Record {
  const value = {
    resumedAtUs: Date.now() * 1000,
    client: `import/${tool}`,
    host: "",
    pid: 0,
    reason: "its source has grown",
  };
  return { record: { $case: "resume", value } };
}
