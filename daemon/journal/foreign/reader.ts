import type { StatementSync } from "node:sqlite";
import { type CheckedFrame, checkBody } from "../checksum.ts";
import { corrupt, refusalOf, toFault } from "../faults.ts";
import { type Lookups, lookups } from "../lookups.ts";
import type { ForeignCalls } from "../messages.ts";
import { ForeignFile, foreignFault } from "./file.ts";

/** Most bytes of frames in one answer, beyond its first frame. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** The calls, each on one method. */
export type ForeignReader = {
  [K in keyof ForeignCalls]: (args: ForeignCalls[K]["args"]) => ForeignCalls[K]["answer"];
};

interface FrameRow extends CheckedFrame {
  readonly runId: string | null;
}

/** Answers questions about another daemon's journal. The methods throw Refusal and SQLite's errors. */
export function foreignReader(path: string): { readonly reader: ForeignReader; close(): void } {
  const file = new ForeignFile(path);
  let prepared: { readonly lookups: Lookups; readonly frames: StatementSync } | undefined;
  const open = () => {
    const { db, fresh } = file.open();
    if (prepared === undefined || fresh) {
      prepared = {
        lookups: lookups(db, path),
        frames: db.prepare(`
          SELECT position, run_id AS runId, body, crc FROM frames LEFT JOIN runs ON number = run
          WHERE position > ? AND ifnull(pruned_at_us, 0) = 0 ORDER BY position`),
      };
    }
    return prepared;
  };
  const ask = <T>(question: (on: ReturnType<typeof open>) => T): T => {
    try {
      return question(open());
    } catch (error) {
      throw refusalOf(foreignFault(toFault(error, path)));
    }
  };
  return {
    reader: {
      open: () => ask(() => null),
      run: (idOrPrefix) => ask((on) => on.lookups.run(idOrPrefix)),
      sinks: (runId) => ask((on) => on.lookups.sinks(runId)),
      frames: ({ after, most }) => ask((on) => framesAfter(on.frames, after, most, path)),
    },
    close: () => file.close(),
  };
}

/** What is intact up to the first damage; that is thrown only when nothing stands before it. */
function framesAfter(
  statement: StatementSync,
  after: number,
  most: number,
  file: string,
): ForeignCalls["frames"]["answer"] {
  const frames: { position: number; body: Uint8Array }[] = [];
  let bytes = 0;
  try {
    for (const row of statement.iterate(after)) {
      const frame = row as unknown as FrameRow;
      if (frame.runId === null) {
        throw refusalOf(corrupt(`the frame at position ${frame.position} belongs to no run`, file));
      }
      checkBody(frame, frame.runId, file);
      frames.push({ position: frame.position, body: frame.body });
      bytes += frame.body.byteLength;
      if (frames.length >= most || bytes >= MAX_ANSWER_BYTES) break;
    }
  } catch (error) {
    if (frames.length === 0) throw error;
  }
  return frames;
}
