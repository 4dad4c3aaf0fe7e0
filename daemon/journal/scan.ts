import type { DatabaseSync, StatementSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type CheckedFrame, checkBody, unreadable } from "./checksum.ts";
import type { KeyCount, PointColumns, ReaderCalls, ScanRange } from "./messages.ts";
import { PointCounter, PointKeeper, type PointTaker } from "./points.ts";
import { type RunNumbers, snapshot, unprunedFinder } from "./rows.ts";
import { Sampler } from "./sampler.ts";
import { eachColumns, type RawColumns } from "./walk.ts";

/** Frames read at a time; between two times the reader answers others. Large frames are fewer: points take about 1 us. */
const FRAMES_AT_A_TIME = 32;
const BYTES_AT_A_TIME = 512 * 1024;
/** Most points in one answer's columns. */
const CHUNK_POINTS = 65_536;

/** Scans the bodies of a run's frames for metric points. Memory is bounded by what is kept, not by the run. */
export class MetricScan {
  readonly #db: DatabaseSync;
  readonly #file: string;
  readonly #unpruned: (runId: string) => RunNumbers;
  readonly #frames: StatementSync;

  constructor(db: DatabaseSync, file: string) {
    this.#db = db;
    this.#file = file;
    this.#unpruned = unprunedFinder(db);
    this.#frames = db.prepare(`
      SELECT position, body, crc FROM frames
      WHERE run = ? AND position > ? AND position <= ? AND points > 0
      ORDER BY position LIMIT ${FRAMES_AT_A_TIME}`);
  }

  /** Counts the points of each key in the range. */
  async count(range: ScanRange): Promise<readonly KeyCount[]> {
    const counters = new Takers(range.keys, () => new PointCounter());
    await this.#scan(range, counters, 0, () => false);
    return counters.entries().map(([key, counter]) => ({ key, points: counter.points }));
  }

  /** Keeps every point of the range, frame by frame, until about `maxPoints` are kept. */
  async page({
    range,
    after,
    maxPoints,
  }: ReaderCalls["page"]["args"]): Promise<ReaderCalls["page"]["answer"]> {
    const keepers = new Takers(range.keys, (key) => new PointKeeper(key, CHUNK_POINTS));
    const end = await this.#scan(range, keepers, after, (points) => points >= maxPoints);
    return { chunks: keepers.entries().flatMap(([, keeper]) => keeper.take()), ...end };
  }

  /** Down-samples the keys in `counts`. */
  async sample({
    range,
    counts,
    maxPoints,
  }: ReaderCalls["sample"]["args"]): Promise<readonly PointColumns[]> {
    const pointsOf = new Map(counts.map(({ key, points }) => [key, points]));
    const keys = [...pointsOf.keys()];
    const samplers = new Takers(keys, (key) => new Sampler(key, pointsOf.get(key) ?? 0, maxPoints));
    await this.#scan({ ...range, keys }, samplers, 0, () => false);
    return samplers.entries().map(([, sampler]) => sampler.take());
  }

  /** Hands the points behind `after` to `takers` until `enough` says so; `position`: of the last frame that was read. */
  async #scan<T extends PointTaker>(
    range: ScanRange,
    takers: Takers<T>,
    after: number,
    enough: (points: number) => boolean,
  ): Promise<{ readonly position: number; readonly more: boolean }> {
    let position = after;
    let points = 0;
    for (;;) {
      const { frames, more } = this.#next(range, position);
      for (const frame of frames) {
        position = frame.position;
        points += this.#take(frame, range, takers);
        if (enough(points)) return { position, more: true };
      }
      if (!more) return { position, more };
      await nextTurn();
    }
  }

  /** The next frames. Asks again each time whether they are there: the run may be pruned between two times. */
  #next({ runId, upTo }: ScanRange, position: number): { frames: CheckedFrame[]; more: boolean } {
    return snapshot(this.#db, () => {
      const frames: CheckedFrame[] = [];
      let bytes = 0;
      for (const row of this.#frames.iterate(this.#unpruned(runId).number, position, upTo)) {
        const frame = row as unknown as CheckedFrame;
        frames.push(frame);
        bytes += frame.body.byteLength;
        if (bytes >= BYTES_AT_A_TIME) return { frames, more: true };
      }
      return { frames, more: frames.length === FRAMES_AT_A_TIME };
    });
  }

  #take<T extends PointTaker>(frame: CheckedFrame, range: ScanRange, takers: Takers<T>): number {
    checkBody(frame, range.runId, this.#file);
    try {
      let points = 0;
      eachColumns(frame.body, (columns) => {
        points += takeColumns(columns, range, takers);
      });
      return points;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw unreadable(frame.position, range.runId, this.#file);
    }
  }
}

/** One taker for each wanted key that has points; made when its first key set comes. */
class Takers<T extends PointTaker> {
  readonly #wanted: ReadonlySet<string>;
  readonly #make: (key: string) => T;
  readonly #byKey = new Map<string, T>();

  constructor(wanted: readonly string[], make: (key: string) => T) {
    this.#wanted = new Set(wanted);
    this.#make = make;
  }

  of(key: string): T | undefined {
    const known = this.#byKey.get(key);
    if (known !== undefined || (this.#wanted.size > 0 && !this.#wanted.has(key))) return known;
    const made = this.#make(key);
    this.#byKey.set(key, made);
    return made;
  }

  /** Sorted by key. */
  entries(): [string, T][] {
    return [...this.#byKey].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

function takeColumns<T extends PointTaker>(columns: RawColumns, range: ScanRange, takers: Takers<T>): number {
  const { rowKeySet, rowStep, rowTimeUs, values } = columns;
  const takersOf = columns.keySets.map((keys) => keys.map((key) => takers.of(key)));
  let offset = 0;
  let taken = 0;
  for (let row = 0; row < columns.rows; row++) {
    const set = takersOf[rowKeySet.getUint32(row * 4, true)];
    if (set === undefined) throw new RangeError("a row names a key set that is not there");
    const stepLow = rowStep.getInt32(row * 8, true);
    const stepHigh = rowStep.getInt32(row * 8 + 4, true);
    const step = (stepLow >>> 0) + stepHigh * 0x1_0000_0000;
    const rowOffset = offset;
    offset += set.length * 8;
    if (step < range.fromStep || step > range.toStep) continue;
    const timeLow = rowTimeUs.getInt32(row * 8, true);
    const timeHigh = rowTimeUs.getInt32(row * 8 + 4, true);
    for (let i = 0; i < set.length; i++) {
      const taker = set[i];
      if (taker === undefined) continue;
      taker.add(stepLow, stepHigh, values.getFloat64(rowOffset + i * 8, true), timeLow, timeHigh);
      taken++;
    }
  }
  return taken;
}
