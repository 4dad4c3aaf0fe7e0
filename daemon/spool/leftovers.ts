/** What a dead writer left: its ring, its spool file, or both, as one sequence of frames. */
import type { Frame } from "@pipekit/proto";
import { blockItems } from "./block.ts";
import { decodeFrame, type KeptFrame } from "./entries.ts";
import { FramePacker, type PackedRecords } from "./packing.ts";
import type { RingBlock, RingFile, Watermark } from "./ring-file.ts";
import type { SpoolFile } from "./spool-file.ts";

/** What was found, and what is missing. */
export interface Findings {
  frames: number;
  points: number;
  /** Points that no frame held yet. */
  rowPoints: number;
  /** Points on a device, which nobody had read when the process died. */
  heldPoints: number;
  /** Numbers for which no intact frame is left; their place is taken by empty frames. */
  lostFrames: number;
  /** The first and last of them that come before any other frame: the writer let them go, for a daemon had acknowledged them. */
  lostAtStart: { readonly from: number; readonly to: number } | undefined;
  /** Entries at the end of a block that are not whole: their log() had not returned. */
  tornRows: number;
  /** Blocks that are cut at an entry that cannot be read, and a watermark that cannot. */
  damaged: number;
  /** Bytes of the spool file behind its last whole frame. */
  tornBytes: number;
}

export function noFindings(): Findings {
  const lost = {
    heldPoints: 0,
    lostFrames: 0,
    lostAtStart: undefined,
    tornRows: 0,
    damaged: 0,
    tornBytes: 0,
  };
  return { frames: 0, points: 0, rowPoints: 0, ...lost };
}

/** A frame to append, and its points. */
export interface LeftFrame {
  readonly frame: Frame;
  readonly points: number;
}

/** The files of one writer, open. */
export interface LeftFiles {
  readonly writerId: string;
  readonly runId: string;
  readonly ring: RingFile | undefined;
  readonly spool: SpoolFile | undefined;
}

/**
 * The frames with numbers above `lastSeq`, in order and without a gap: first those that the writer had made, then
 * frames made of the rows that were in none. Adds to `findings`.
 */
export async function* leftFrames(
  files: LeftFiles,
  lastSeq: number,
  findings: Findings,
): AsyncGenerator<LeftFrame> {
  const { writerId, runId, ring } = files;
  let next = lastSeq + 1;
  const watermark = ring?.watermark;
  const upTo = watermark?.lastSeq ?? Number.POSITIVE_INFINITY;
  for await (const kept of keptFrames(files)) {
    // One that the watermark does not count was never sent, and its rows are in the ring.
    if (kept.seq < next || kept.seq > upTo) continue;
    for (; next < kept.seq; next++) yield empty(next);
    yield made(kept);
    next++;
  }
  if (ring === undefined) return;
  if (watermark === undefined) {
    // To hand over rows that may be in frames would double them.
    findings.damaged++;
    return;
  }
  for (; next <= watermark.lastSeq; next++) yield empty(next);
  // An earlier attempt to hand over the same rows may have got beyond this number.
  let seq = watermark.lastSeq + 1;
  for await (const block of ring.blocks(watermark)) {
    for (const packed of packBlock(block, watermark, findings)) {
      if (seq >= next) {
        findings.rowPoints += packed.points;
        yield counted({ writerId, seq, runId, records: packed.records }, packed.points);
      }
      seq++;
    }
  }

  function made(kept: KeptFrame): LeftFrame {
    const frame = decodeFrame(kept, writerId, runId);
    return frame === undefined ? empty(kept.seq) : counted(frame, kept.points);
  }

  /** A gap would cost all that follows. */
  function empty(seq: number): LeftFrame {
    findings.lostFrames++;
    if (findings.frames === 0) findings.lostAtStart = { from: lastSeq + 1, to: seq };
    return { frame: { writerId, seq, runId, records: [] }, points: 0 };
  }

  function counted(frame: Frame, points: number): LeftFrame {
    findings.frames++;
    findings.points += points;
    return { frame, points };
  }
}

/** Made frames of both files by rising numbers; one that is in both comes once. */
async function* keptFrames({ ring, spool }: LeftFiles): AsyncGenerator<KeptFrame> {
  const inRing = [...((await ring?.frames())?.values() ?? [])].sort((a, b) => a.seq - b.seq);
  for await (const spooled of spool?.frames() ?? []) {
    while (inRing[0] !== undefined && inRing[0].seq < spooled.seq) yield inRing.shift() as KeptFrame;
    if (inRing[0]?.seq === spooled.seq) inRing.shift();
    yield spooled;
  }
  yield* inRing;
}

/** Frames end with their block, so that they do not depend on what stands in another. */
function* packBlock(block: RingBlock, watermark: Watermark, findings: Findings): Generator<PackedRecords> {
  if (block.ordinal === 0) {
    findings.damaged++;
    return;
  }
  const packer = new FramePacker();
  const from = block.ordinal === watermark.ordinal ? watermark.offset : 0;
  for (const item of blockItems(block.bytes, from)) {
    let full: PackedRecords | undefined;
    if (item.kind === "row") full = packer.addRow(item);
    else if (item.kind === "fact") full = packer.addRecord(item.record, item.bytes);
    else if (item.kind === "held") findings.heldPoints += item.points;
    else if (item.kind === "torn") findings.tornRows++;
    else findings.damaged++;
    if (full !== undefined) yield full;
  }
  const last = packer.finish();
  if (last !== undefined) yield last;
}
