/** The tracker's half of the fake daemon. */
import {
  type DeadLetter,
  type Frame,
  type ListDeadLettersRequest,
  type ListRunsRequest,
  PipekitError,
  type RedriveDeadLettersRequest,
  type Run,
  type RunEnd,
  RunState,
  type Sink,
  type SyncRequest,
  type SyncResponse,
} from "@pipekit/proto";
import { type FakeDuplex, type FakeStream, refuse, serverStream, unary } from "./fake-calls.ts";
import { eachPoint } from "./points.ts";

/** A point as it came in. */
export interface FakePoint {
  readonly key: string;
  readonly step: number;
  readonly value: number;
}

interface FakeRun {
  run: Run;
  readonly points: FakePoint[];
}

export class FakeTrackerService {
  readonly runs = new Map<string, FakeRun>();
  /** Frames taken, each (writer, seq) once. */
  readonly frames: Frame[] = [];
  /** Frames that came a second time. */
  replays = 0;
  /** Sinks shown for every run. */
  sinks: Sink[] = [];
  /** Dead letters, oldest first, with what is in each. */
  letters: { readonly letter: DeadLetter; readonly lines: string[] }[] = [];
  /** Requests to sync and to re-drive, as they came. */
  readonly syncs: SyncRequest[] = [];
  readonly redrives: RedriveDeadLettersRequest[] = [];
  /** What a sync tells. */
  progress: SyncResponse[] = [];
  /** Runs before a frame of a Log stream is taken; may break the stream by throwing, or refuse by returning an error. */
  intake: (frame: Frame) => PipekitError | undefined = () => undefined;
  /** What becomes of a frame of a Log stream and of its acknowledgement. */
  fate: (frame: Frame) => "acknowledged" | "taken" | "lost" = () => "acknowledged";
  readonly #lastSeq = new Map<string, number>();

  handlers() {
    return {
      startRun: unary(({ frame }: { frame?: Frame | undefined }) => {
        if (frame === undefined) throw new PipekitError("INVALID_FRAME", "No frame.");
        this.#take(frame);
        return { run: this.#run(frame.runId).run };
      }),
      log: (call: FakeDuplex) => {
        call.on("data", ({ frame }) => {
          if (frame === undefined) return;
          const fate = this.fate(frame);
          if (fate === "lost") return;
          try {
            const rejection = this.intake(frame)?.toDetail();
            this.#take(frame, rejection !== undefined);
            if (fate === "taken") return;
            call.write({ writerId: frame.writerId, ackedSeq: frame.seq, rejection });
          } catch (error) {
            call.emit("error", error instanceof PipekitError ? error.toServiceError() : error);
          }
        });
        call.on("end", () => call.end());
      },
      attachArtifact: refuse,
      endRun: refuse,
      getRun: unary(({ runId }: { runId: string }) => ({ run: this.#run(runId).run })),
      listRuns: unary((query: ListRunsRequest) => {
        const all = [...this.runs.values()]
          .map(({ run }) => ({ ...run, series: [], params: {}, artifacts: [] }))
          .filter((run) => query.state === RunState.RUN_STATE_UNSPECIFIED || run.state === query.state)
          .filter((run) => run.name.includes(query.nameContains))
          .filter((run) => !query.unfinished || isUnfinished(run))
          .sort((a, b) => (a.runId < b.runId ? 1 : -1));
        const from = query.pageToken === "" ? 0 : all.findIndex((run) => run.runId === query.pageToken) + 1;
        // Small pages, so that paging is seen.
        const runs = all.slice(from, from + 3);
        return { runs, nextPageToken: from + 3 < all.length ? (runs.at(-1)?.runId ?? "") : "" };
      }),
      watchRuns: (call: FakeStream<{ run: Run }>) => {
        for (const { run } of this.runs.values()) call.write({ run });
      },
      readMetrics: serverStream(
        async function* (this: FakeTrackerService, { runId, keys }: { runId: string; keys: string[] }) {
          const { points, run } = this.#run(runId);
          for (const { key } of run.series) {
            if (keys.length > 0 && !keys.includes(key)) continue;
            const own = points.filter((point) => point.key === key);
            // Two parts, so that joining is seen.
            const half = Math.ceil(own.length / 2);
            for (const part of [own.slice(0, half), own.slice(half)]) {
              if (part.length > 0) yield seriesMessage(key, part, own.length);
            }
          }
        }.bind(this),
      ),
      sinkStatus: unary(() => ({ sinks: this.sinks, deadLetters: [] })),
      sync: serverStream(
        async function* (this: FakeTrackerService, request: SyncRequest) {
          this.syncs.push(request);
          yield* this.progress;
        }.bind(this),
      ),
      listDeadLetters: unary((query: ListDeadLettersRequest) => {
        const all = this.letters.filter(({ letter }) => letter.id > query.afterId);
        // Small pages, so that paging is seen.
        const page = all.slice(0, 2);
        return {
          deadLetters: page.map(({ letter }) => letter),
          more: all.length > page.length,
          records: query.withRecords ? page.map(({ letter, lines }) => ({ id: letter.id, lines })) : [],
        };
      }),
      redriveDeadLetters: unary((request: RedriveDeadLettersRequest) => {
        this.redrives.push(request);
        return { taken: 2, refused: request.ids.length, waiting: 0, pointsTaken: 1200 };
      }),
    };
  }

  #take(frame: Frame, rejected = false): void {
    const last = this.#lastSeq.get(frame.writerId) ?? 0;
    if (frame.seq <= last) {
      this.replays += 1;
      return;
    }
    if (frame.seq !== last + 1)
      throw new PipekitError("INVALID_FRAME", `A gap after seq ${last}.`, { field: "seq" });
    this.#lastSeq.set(frame.writerId, frame.seq);
    if (rejected) return;
    this.frames.push(frame);
    for (const { record } of frame.records) {
      if (record?.$case === "start")
        this.runs.set(frame.runId, newRun(frame.runId, record.value, this.sinks));
      const known = this.#run(frame.runId);
      if (record?.$case === "metrics") {
        eachPoint(record.value, (key, step, value) => known.points.push({ key, step, value }));
        summarize(known);
      }
      if (record?.$case === "params") Object.assign(known.run.params, flat(record.value.paramsJson));
      if (record?.$case === "tags") Object.assign(known.run.tags, record.value.tags);
      if (record?.$case === "artifact") known.run.artifacts.push(record.value);
      if (record?.$case === "end") end(known.run, record.value);
    }
  }

  #run(id: string): FakeRun {
    const found = [...this.runs.values()].find(({ run }) => run.runId.startsWith(id));
    if (found !== undefined) return found;
    throw new PipekitError("RUN_NOT_FOUND", `No run has the id ${id}.`, {
      field: id,
      mend: "See `pkx runs list`.",
    });
  }
}

function isUnfinished(run: Run): boolean {
  return run.state === RunState.RUN_STATE_RUNNING || run.sinks.some((sink) => sink.pointsPending > 0);
}

function newRun(
  runId: string,
  start: {
    name: string;
    configJson: string;
    startedAtUs: number;
    host: string;
    pid: number;
    client: string;
    tags: { [name: string]: string };
    pipelineHash: string;
  },
  sinks: Sink[],
): FakeRun {
  const { name, configJson, startedAtUs, host, pid, client, tags, pipelineHash } = start;
  return {
    points: [],
    run: {
      runId,
      name,
      pipelineHash,
      configJson,
      state: RunState.RUN_STATE_RUNNING,
      reason: "",
      startedAtUs,
      endedAtUs: 0,
      host,
      pid,
      client,
      tags: { ...tags },
      params: {},
      points: 0,
      series: [],
      artifacts: [],
      sinks,
      group: undefined,
    },
  };
}

function end(run: Run, { state, reason, endedAtUs }: RunEnd): void {
  Object.assign(run, { state, reason, endedAtUs });
}

function summarize({ run, points }: FakeRun): void {
  run.points = points.length;
  const keys = [...new Set(points.map((point) => point.key))].sort();
  run.series = keys.map((key) => {
    const own = points.filter((point) => point.key === key);
    const sane = own.map((point) => point.value).filter((value) => !Number.isNaN(value));
    const last = own.at(-1);
    return {
      key,
      points: own.length,
      lastStep: last?.step ?? 0,
      lastValue: last?.value ?? Number.NaN,
      minValue: sane.length === 0 ? Number.NaN : Math.min(...sane),
      maxValue: sane.length === 0 ? Number.NaN : Math.max(...sane),
    };
  });
}

function seriesMessage(key: string, points: readonly FakePoint[], pointsInRange: number) {
  const column = <T extends Float64Array | BigInt64Array>(array: T) => Buffer.from(array.buffer);
  return {
    key,
    steps: column(BigInt64Array.from(points, (point) => BigInt(point.step))),
    values: column(Float64Array.from(points, (point) => point.value)),
    timesUs: column(BigInt64Array.from(points, () => 1_700_000_000_000_000n)),
    pointsInRange,
  };
}

function flat(json: string): { [name: string]: string } {
  return Object.fromEntries(
    Object.entries(JSON.parse(json)).map(([name, value]) => [name, JSON.stringify(value)]),
  );
}
