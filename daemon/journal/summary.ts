import type { DatabaseSync } from "node:sqlite";
import { addSums } from "./group.ts";
import { Members, type Outcome } from "./membership.ts";
import { type FrameFacts, type ResumeFacts, STATS_PER_KEY, type StartFacts } from "./messages.ts";

/** What the tables say of a run in few rows, made again from the frames of the run. */
export class RunSummary {
  start: StartFacts | undefined;
  resume: FrameFacts["resume"];
  end: Outcome | undefined;
  /** Empty unless a group writes the run. */
  readonly members = new Members();
  frames = 0;
  points = 0;
  bytes = 0;
  lastPosition = 0;
  readonly tags = new Map<string, string>();
  readonly params = new Map<string, string>();
  readonly artifacts: string[] = [];
  readonly series = new Map<string, Float64Array>();
  /** Writer to the seq of its last frame. */
  readonly writers = new Map<string, number>();

  /** Adds the run's next frame. */
  add(position: number, facts: FrameFacts, bytes: number): void {
    this.frames++;
    this.points += facts.points;
    this.bytes += bytes;
    this.lastPosition = position;
    this.members.add(facts);
    if (this.members.size > 0) {
      this.start = this.members.start;
      this.end = this.members.outcome;
    } else {
      this.#addLife(facts);
    }
    for (const [name, value] of [...(facts.start?.tags ?? []), ...facts.tags]) this.tags.set(name, value);
    for (const [name, value] of facts.params) this.params.set(name, value);
    this.artifacts.push(...facts.artifacts);
    this.writers.set(facts.writerId, Math.max(facts.seq, this.writers.get(facts.writerId) ?? 0));
    facts.series.keys.forEach((key, i) => {
      addSums(this.series, key, facts.series.stats.slice(i * STATS_PER_KEY, (i + 1) * STATS_PER_KEY));
    });
  }

  /** Start, resumes and ends of a run of one process. */
  #addLife(facts: FrameFacts): void {
    this.start ??= facts.start;
    if (facts.resume !== undefined) {
      this.resume = facts.resume;
      this.end = undefined;
    }
    if (facts.end !== undefined && endsRun(facts, this.resume)) {
      const { state, reason, endedAtUs } = facts.end;
      this.end ??= { state, reason, endedAtUs };
    }
  }
}

/** Whether a frame ends its run: not by an end that an older writer had on its way when the run was resumed. */
export function endsRun(
  { end, writerId }: FrameFacts,
  resume: Pick<ResumeFacts, "writerId"> | undefined,
): boolean {
  return end !== undefined && (resume === undefined || writerId >= resume.writerId);
}

/** A frame's row, whole. */
export interface FrameRow {
  readonly position: number;
  readonly run: number;
  readonly writer_id: string;
  readonly seq: number;
  readonly points: number;
  readonly body: Uint8Array;
  readonly crc: number | null;
  readonly at_us: number;
}

/** Rows read at a time by a walk. */
const ROWS = 64;

/** The frames of a run, in order, a few at a time. */
export function framesOfRun(db: DatabaseSync): (run: number) => Generator<readonly FrameRow[]> {
  const statement = db.prepare(
    `SELECT * FROM frames WHERE run = ? AND position > ? ORDER BY position LIMIT ${ROWS}`,
  );
  return function* (run) {
    for (let position = 0; ; ) {
      const rows = statement.all(run, position) as unknown as FrameRow[];
      yield rows;
      if (rows.length < ROWS) return;
      position = rows.at(-1)?.position ?? position;
    }
  };
}

/** The numbers of a row of `series`, as in SeriesSums. */
export function statsOfRow(row: { readonly [column: string]: unknown }): number[] {
  return ["points", "last_step", "last_value", "min_value", "max_value"].map((column) =>
    row[column] === null ? Number.NaN : Number(row[column]),
  );
}
