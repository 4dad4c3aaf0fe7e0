import { type Frame, PipekitError, type Record, type TrackerServiceServer } from "@pipekit/proto";
import { isRemote } from "../access/index.ts";
import type { Delivery } from "../delivery/index.ts";
import type { Journal } from "../journal/index.ts";
import { bidiStream, missing, serverStream, unary } from "./calls.ts";
import { listDeadLetters, redriveDeadLetters, toDeadLetter } from "./dead-letters.ts";
import { type ImportSources, importing } from "./importing.ts";
import { Intake, type IntakeOptions } from "./intake.ts";
import { listRuns } from "./list-runs.ts";
import { readMetrics, watchMetrics } from "./metrics.ts";
import { MAX_PAGE } from "./pages.ts";
import { pipelined } from "./pipeline.ts";
import { fullRun, toSink } from "./runs.ts";
import { type ForeignFolders, sync } from "./sync.ts";
import { changedIds, runChanges } from "./watch.ts";

/** Frames of one Log stream that may wait for their commit at a time. */
const FRAMES_IN_FLIGHT = 64;
/** A watcher sees a run at most this often, milliseconds. */
const WATCH_INTERVAL_MS = 100;
const MAX_DEAD_LETTERS = 100;

/** What the TrackerService works with. */
export interface TrackerServiceOptions extends IntakeOptions {
  readonly delivery: Pick<Delivery, "canonicalSpecs" | "onChange" | "addSinks" | "redrive" | "letterLines">;
  readonly foreign: ForeignFolders;
  readonly sources: ImportSources;
  /** A frame of a Log stream as the principal may have it journaled. Throws RUN_NOT_FOUND, PERMISSION_DENIED. */
  readonly admitFrame?: (principal: string, frame: Frame) => Promise<Frame>;
  /** Takes in what dead writers left, so that it stands before what a resumed run logs. */
  readonly takeLeftovers: () => Promise<void>;
}

/** The TrackerService over a journal. See tracker.proto for what each method promises. */
export function trackerService(options: TrackerServiceOptions): TrackerServiceServer {
  const { journal, log } = options;
  const intake = new Intake(options);
  return {
    startRun: unary(log, async ({ frame }, signal) => {
      const [first] = frame?.records ?? [];
      const kind = first?.record?.$case;
      if (frame === undefined || (kind !== "start" && kind !== "resume")) {
        throw new PipekitError(
          "INVALID_FRAME",
          "The first record of the frame is neither a start nor a resume.",
          {
            field: "frame.records[0]",
            mend: "Send a RunStart or a RunResume first.",
          },
        );
      }
      if (kind === "resume") await options.takeLeftovers();
      await intake.appendWhole(frame, signal);
      return { run: await fullRun(journal, await journal.run(frame.runId)) };
    }),
    log: bidiStream(log, (requests, signal, principal) => {
      const { admitFrame } = options;
      const allow = admitFrame && isRemote(principal) ? (f: Frame) => admitFrame(principal, f) : undefined;
      return pipelined(requests, FRAMES_IN_FLIGHT, ({ frame }) => intake.begin(frame, signal, allow));
    }),
    attachArtifact: unary(log, async ({ writerId, seq, runId, artifact }, signal) => {
      if (artifact === undefined) throw missing("artifact");
      const record: Record = { record: { $case: "artifact", value: artifact } };
      const checked = await intake.appendWhole({ writerId, seq, runId, records: [record] }, signal);
      const fact = checked.frame.records[0]?.record;
      return { artifact: fact?.$case === "artifact" ? fact.value : artifact };
    }),
    endRun: unary(log, async ({ writerId, seq, runId, end }, signal) => {
      if (end === undefined) throw missing("end");
      await intake.appendWhole(
        { writerId, seq, runId, records: [{ record: { $case: "end", value: end } }] },
        signal,
      );
      return { run: await fullRun(journal, await journal.run(runId)) };
    }),
    getRun: unary(log, async ({ runId }) => ({ run: await fullRun(journal, await journal.run(runId)) })),
    listRuns: unary(log, (request) => listRuns(journal, request)),
    watchRuns: serverStream(log, async function* ({ runIds }, signal) {
      const wanted = new Set<string>();
      for (const id of runIds) wanted.add((await journal.run(id)).runId);
      const initial = async () => (wanted.size > 0 ? [...wanted] : unfinishedRuns(journal));
      const changes = runChanges(journal, options.delivery);
      for await (const id of changedIds(changes, initial, WATCH_INTERVAL_MS, signal)) {
        if (wanted.size > 0 && !wanted.has(id)) continue;
        yield { run: await fullRun(journal, await journal.run(id)) };
      }
    }),
    readMetrics: serverStream(log, (request) => readMetrics(journal, request)),
    watchMetrics: serverStream(log, (request, signal) => watchMetrics(journal, request, signal), {
      oneAtATime: true,
    }),
    sinkStatus: unary(log, async ({ runId }) => {
      const run = await journal.run(runId);
      const [sinks, letters] = await Promise.all([
        journal.sinks(run.runId),
        journal.deadLetters({ runId: run.runId, limit: MAX_DEAD_LETTERS }),
      ]);
      return {
        sinks: sinks.map((sink) => toSink(sink, run.points)),
        deadLetters: letters.map(toDeadLetter),
      };
    }),
    sync: serverStream(log, (request, signal) => sync({ ...options, intake }, request, signal)),
    importRuns: serverStream(log, (request, signal) => importing({ ...options, intake }, request, signal)),
    listDeadLetters: unary(log, (request) => listDeadLetters(options, request)),
    redriveDeadLetters: unary(log, (request) => redriveDeadLetters(options, request)),
  };
}

async function unfinishedRuns(journal: Journal): Promise<string[]> {
  const [running, open] = await Promise.all([
    journal.runs({ limit: MAX_PAGE, state: "running" }),
    journal.openSinks(),
  ]);
  return [...new Set([...running.map((run) => run.runId), ...open.map((sink) => sink.runId)])];
}
