/** What the methods of the TrackerService ask for. */
import {
  type ListDeadLettersResponse,
  type ListRunsResponse,
  TrackerServiceService,
  type WatchRunsResponse,
} from "@pipekit/proto";
import type { Deed } from "./roles.ts";
import { type Ask, forAll, guard } from "./rules.ts";

const tracker = TrackerServiceService;
const onRun = (deed: Deed, run: string): Ask[] => [{ deed, field: "run_id", run }];

// Whose a frame is depends on the run that it starts, or on the one that is there: see Permission.frame.
guard(tracker.startRun, "write runs", () => []);
// A stream that is refused would be tried for ever; a frame that is refused is told, and is the end of it.
guard(tracker.log, "greet", () => []);
guard(tracker.attachArtifact, "write runs", ({ runId }) => onRun("write runs", runId));
guard(tracker.endRun, "write runs", ({ runId }) => onRun("write runs", runId));
guard(tracker.getRun, "read runs", ({ runId }) => onRun("read runs", runId));
guard(tracker.readMetrics, "read runs", ({ runId }) => onRun("read runs", runId));
guard(tracker.watchMetrics, "read runs", ({ runId }) => onRun("read runs", runId));
guard(tracker.sinkStatus, "read runs", ({ runId }) => onRun("read runs", runId));
guard(
  tracker.listRuns,
  "read runs",
  () => [],
  async (answer, sight) => {
    const page = answer as ListRunsResponse;
    const seen = await Promise.all(page.runs.map(({ runId, name }) => sight.run(runId, name)));
    return { ...page, runs: page.runs.filter((_, i) => seen[i]) };
  },
);
guard(
  tracker.watchRuns,
  "read runs",
  ({ runIds }) => runIds.map((run, i) => ({ deed: "read runs", field: `run_ids[${i}]`, run })),
  async (answer, sight) => {
    const { run } = answer as WatchRunsResponse;
    return run !== undefined && (await sight.run(run.runId, run.name)) ? answer : undefined;
  },
);
guard(
  tracker.listDeadLetters,
  "read runs",
  ({ runId }) => (runId === "" ? [] : onRun("read runs", runId)),
  async (answer, sight) => {
    const page = answer as ListDeadLettersResponse;
    const seen = await Promise.all(page.deadLetters.map(({ runId }) => sight.run(runId)));
    const deadLetters = page.deadLetters.filter((_, i) => seen[i]);
    const ids = new Set(deadLetters.map(({ id }) => id));
    return { ...page, deadLetters, records: page.records.filter(({ id }) => ids.has(id)) };
  },
);
guard(tracker.sync, "write runs", ({ runIds, stateFolder }) =>
  runIds.length === 0 || stateFolder !== ""
    ? [{ deed: "administer", field: "run_ids" }]
    : runIds.map((run, i) => ({ deed: "write runs", field: `run_ids[${i}]`, run })),
);
// What an import brings is known by name only when it is here.
forAll(tracker, "administer", "redriveDeadLetters", "importRuns");
