import { ForwardedFrames, type Frame } from "@pipekit/proto";
import type { ForeignFrame } from "../journal/index.ts";
import type { Published } from "./published.ts";

/** Frames for one message, and the position behind them. */
export interface Parcel {
  readonly id: string;
  readonly body: Uint8Array;
  readonly upTo: number;
  /** Of each writer in it, the seq of its last frame. */
  readonly seqs: ReadonlyMap<string, number>;
}

/** Puts frames into as few bodies as `maxBytes` allow; a frame that is larger has one of its own. */
export function* parcels(
  frames: readonly ForeignFrame[],
  published: Pick<Published, "source" | "lastSeq">,
  maxBytes: number,
): Generator<Parcel> {
  let held: { readonly frame: Frame; readonly previousSeq: number }[] = [];
  let bytes = 0;
  let [from, upTo] = [0, 0];
  let seqs = new Map<string, number>();
  const all = new Map<string, number>();
  const close = (): Parcel => {
    const body = ForwardedFrames.encode({ frames: held }).finish();
    const parcel = { id: `${published.source}.${from}-${upTo}`, body, upTo, seqs };
    held = [];
    bytes = 0;
    seqs = new Map();
    return parcel;
  };
  for (const { position, frame } of frames) {
    const size = roughBytes(frame);
    if (held.length > 0 && bytes + size > maxBytes) yield close();
    if (held.length === 0) from = position;
    const { writerId, seq } = frame;
    // Of a writer that nobody remembers, none was left out, as far as is known.
    held.push({ frame, previousSeq: all.get(writerId) ?? published.lastSeq(writerId) ?? seq - 1 });
    all.set(writerId, seq);
    seqs.set(writerId, seq);
    bytes += size;
    upTo = position;
  }
  if (held.length > 0) yield close();
}

/** The pieces of a body, each of at most `maxBytes`. */
export function piecesOf(body: Uint8Array, maxBytes: number): Uint8Array[] {
  const count = Math.max(1, Math.ceil(body.length / maxBytes));
  return Array.from({ length: count }, (_, i) => body.subarray(i * maxBytes, (i + 1) * maxBytes));
}

/** The columns of metrics are nearly all of a large frame; other frames are small, or alone in a message. */
function roughBytes(frame: Frame): number {
  let bytes = 128;
  for (const { record } of frame.records) {
    if (record?.$case === "metrics") {
      const { rowKeySet, rowStep, rowTimeUs, values, keySets } = record.value;
      bytes += rowKeySet.length + rowStep.length + rowTimeUs.length + values.length;
      for (const { keys } of keySets) bytes += keys.reduce((sum, key) => sum + key.length * 3 + 4, 16);
    } else if (record !== undefined) bytes += JSON.stringify(record.value).length * 3 + 64;
  }
  return bytes;
}
