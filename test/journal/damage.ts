/** A small journal with something of everything, what it says, and ways to damage its file. */
import { join } from "node:path";
import { CURSOR_START, itemCount, type Journal, openJournal } from "../../daemon/journal/index.ts";
import { lookups } from "../../daemon/journal/lookups.ts";
import { PageFile } from "../../daemon/journal/raw/pages.ts";
import { recordsOf } from "../../daemon/journal/raw/records.ts";
import { treesOf } from "../../daemon/journal/raw/tree.ts";
import { journalReader } from "../../daemon/journal/reader.ts";
import { openForWriting } from "../../daemon/journal/schema.ts";
import {
  artifact,
  end,
  frame,
  metrics,
  newId,
  params,
  SILENT,
  startRun,
  stateFolder,
  tags,
} from "./fixture.ts";

/** The ids of a journal made by `richJournal`. */
export interface Rich {
  readonly folder: string;
  readonly file: string;
  readonly runIds: readonly string[];
  readonly writerIds: readonly string[];
}

/** Makes a journal: running, ended, failed and pruned runs; writers, sinks at all places, dead letters. It is closed. */
export async function richJournal(scale = 1): Promise<Rich> {
  const folder = await stateFolder();
  const journal = await openJournal({ stateFolder: folder, log: SILENT });
  const runIds: string[] = [];
  const writerIds: string[] = [];
  for (let i = 0; i < 5; i++) {
    const specs = i === 3 ? [] : [`mlflow:${i}`, "tensorboard:/logs"];
    const { runId, writerId } = await startRun(
      journal,
      { name: `run ${i}`, sinks: specs, tags: { i: `${i}` } },
      specs,
    );
    const other = newId();
    runIds.push(runId);
    writerIds.push(writerId, other);
    for (let seq = 2; seq < 6 * scale; seq++) {
      const length = seq % 4 === 0 ? 900 : 1 + (seq % 7) * 20;
      const values = Array.from({ length }, (_, k) => Math.sin(k + seq) * (i + 1));
      await journal.append(
        frame(runId, writerId, seq, metrics({ loss: values, [`k${seq % 3}`]: values }, seq * 1000)),
        [],
      );
      const extra =
        seq % 3 === 0 ? params({ [`p${seq}`]: { a: seq } }) : tags({ [`t${seq % 4}`]: `v${seq}` });
      await journal.append(frame(runId, other, seq - 1, extra, metrics({ acc: [seq] }, seq)), []);
    }
    await journal.append(frame(runId, writerId, 6 * scale, artifact(`model ${i}`)), []);
    await journal.append(frame(runId, other, 6 * scale - 1), []);
    if (i > 0)
      await journal.append(
        frame(runId, writerId, 6 * scale + 1, end(i === 2 ? "failed" : "completed", "why")),
        [],
      );
    await deliver(journal, runId, i);
  }
  await journal.prune(runIds[4] ?? "");
  while ((await journal.totals()).frames > (await framesIn(journal, runIds.slice(0, 4)))) await nextTurn();
  await journal.close();
  return { folder, file: join(folder, "journal.db"), runIds, writerIds };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

async function framesIn(journal: Journal, runIds: readonly string[]): Promise<number> {
  const records = await Promise.all(runIds.map((id) => journal.readRecords(id, CURSOR_START, 1e9)));
  return new Set(records.flat().map(({ position }) => position)).size;
}

/** Moves the cursors of a run: none, into a frame with dead letters, or to the end. */
async function deliver(journal: Journal, runId: string, how: number): Promise<void> {
  const run = await journal.run(runId);
  const sinks = await journal.sinks(runId);
  for (const [i, sink] of sinks.entries()) {
    if (how === 4 || (how === 2 && i === 0)) {
      const cursor = { position: run.lastPosition, offset: 0 };
      const memo = { id: `${runId}-${i}` };
      await journal.saveSink({ ...sink, cursor, state: "done", pointsSent: run.points, memo }, []);
    } else if (how === 1) {
      const records = await journal.readRecords(runId, CURSOR_START, 1e9);
      const taken = records.filter(({ record }) => record.record?.$case === "metrics").slice(0, 5);
      const begun = taken.pop();
      if (begun === undefined) continue;
      const points = taken.reduce((sum, { record }) => sum + itemCount(record), 0);
      const cursor = { position: begun.position - 1, offset: 1 };
      const letter = {
        runId,
        spec: sink.spec,
        kind: "metrics",
        points: 1,
        reason: "no",
        from: CURSOR_START,
        to: cursor,
      };
      // The one item taken of the frame that was begun is a point only when nothing stands before the points.
      const one = begun.itemsBefore === 0 ? 1 : 0;
      await journal.saveSink(
        { ...sink, cursor, state: "retrying", pointsSent: points + one - 1, pointsDead: 1, remoteId: "r" },
        [letter],
      );
    }
  }
}

/** All that a journal says, in a form that compares: read as its threads read it, but in this one. */
export async function contentOf(file: string, { runIds, writerIds }: Rich): Promise<unknown> {
  const db = openForWriting(file);
  try {
    const small = lookups(db, file);
    const large = journalReader(db, file);
    const runs = [];
    for (const runId of runIds) {
      const run = small.run(runId);
      const pruned = run.prunedAtUs > 0;
      const frames = pruned ? [] : await large.frames({ runId, cursor: CURSOR_START, maxPoints: 1e9 });
      const counted = pruned ? undefined : await large.plan({ ...WHOLE, runId });
      const bodies = frames.map(({ position, body }) => [position, text(Buffer.from(body))]);
      runs.push({ run, bodies, counted, sinks: small.sinks(runId), series: small.series(runId) });
    }
    const list = await large.runs({ limit: 100 });
    return {
      runs,
      seqs: writerIds.map((id) => small.lastSeq(id)),
      totals: small.totals(null),
      list: list.map(({ runId }) => runId),
      letters: await large.deadLetters({ limit: 100 }),
    };
  } finally {
    db.close();
  }
}

/** A range that has to be counted frame by frame. */
const WHOLE = { keys: [], fromStep: -1e15, toStep: 1e15 };

/** A frame of a sound journal. */
export interface PlacedFrame {
  readonly body: string;
  /** The pages that it lies on. */
  readonly pages: ReadonlySet<number>;
}

/** The frames of a sound journal by their positions; those of pruned runs, on pages given up, are not among them. */
export function placedFrames(file: string): Map<number, PlacedFrame> {
  const pages = new PageFile(file);
  const { owners } = treesOf(pages);
  const frames = new Map<number, PlacedFrame>();
  try {
    for (const [number, page] of pages.all()) {
      if (owners.get(number) !== "frames") continue;
      const seen = new Set<number>();
      const read = (overflow: number) => {
        seen.add(overflow);
        return pages.read(overflow);
      };
      for (const { rowid, values } of recordsOf({ count: pages.count, read }, number, page)) {
        const [, , , , , body] = values;
        if (rowid !== undefined) frames.set(rowid, { body: text(body), pages: new Set([number, ...seen]) });
        seen.clear();
      }
    }
    return frames;
  } finally {
    pages.close();
  }
}

function text(body: unknown): string {
  return Buffer.isBuffer(body) ? body.toString("base64") : "";
}

/** Bytes of a file after damage, and the pages that it touched. */
export interface Damaged {
  readonly kind: string;
  readonly bytes: Buffer;
  readonly hit: (page: number) => boolean;
}

const PAGE = 8192;

/** Damages a copy of `good` in one of many ways; `random` gives 0 to 1. */
export function damage(good: Buffer, random: () => number): Damaged {
  const bytes = Buffer.from(good);
  const pages = good.length / PAGE;
  const below = (limit: number) => Math.floor(random() * limit);
  const pageAt = (offset: number) => Math.floor(offset / PAGE) + 1;
  const only = (hit: ReadonlySet<number>) => (page: number) => hit.has(page);
  const kind = ["flip", "flips", "zero", "noise", "cut", "misplaced", "zeros", "sector"][below(8)] ?? "flip";
  const page = below(pages);
  switch (kind) {
    case "cut": {
      const length = below(good.length);
      return { kind, bytes: bytes.subarray(0, length), hit: (number) => number * PAGE > length };
    }
    case "zero":
      bytes.fill(0, page * PAGE, (page + 1) * PAGE);
      return { kind, bytes, hit: only(new Set([page + 1])) };
    case "zeros": {
      const count = 1 + below(6);
      bytes.fill(0, page * PAGE, Math.min(bytes.length, (page + count) * PAGE));
      return { kind, bytes, hit: (number) => number > page && number <= page + count };
    }
    case "noise":
      for (let i = page * PAGE; i < (page + 1) * PAGE; i++) bytes[i] = below(256);
      return { kind, bytes, hit: only(new Set([page + 1])) };
    case "sector": {
      const at = below(good.length / 512) * 512;
      bytes.fill(0xff, at, at + 512);
      return { kind, bytes, hit: only(new Set([pageAt(at)])) };
    }
    case "misplaced":
      good.copy(bytes, page * PAGE, below(pages) * PAGE, Number.MAX_SAFE_INTEGER);
      good.copy(bytes, (page + 1) * PAGE, (page + 1) * PAGE);
      return { kind, bytes, hit: only(new Set([page + 1])) };
    default: {
      const hit = new Set<number>();
      for (let i = kind === "flip" ? 1 : 2 + below(20); i > 0; i--) {
        const at = below(good.length);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
        hit.add(pageAt(at));
      }
      return { kind, bytes, hit: only(hit) };
    }
  }
}
