/** A spool room over temporary folders and a journal in memory. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { inflateSync } from "node:zlib";
import { type FailureCode, type Frame, type LogResponse, PipekitError } from "@pipekit/proto";
import { z } from "zod";
import type { LostFrames } from "../../daemon/journal/index.ts";
import { SpoolDrain } from "../../daemon/spool/index.ts";

const golden = z.object({
  runId: z.string(),
  writerId: z.string(),
  ring: z.string(),
  spool: z.string(),
  rows: z.record(z.string(), z.number()),
  timeUs: z.number(),
  heldPoints: z.number(),
});
const bytes = (text: string) => inflateSync(Buffer.from(text, "base64"));
const read = golden.parse(
  JSON.parse(readFileSync(resolve(import.meta.dirname, "../golden/ring.json"), "utf8")),
);

/** What Python wrote (test/golden/write-ring.py), and what must come of it. */
export const GOLDEN = { ...read, ring: bytes(read.ring), spool: bytes(read.spool) };

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: { readonly [name: string]: unknown };
}

/** One row as the journal got it. */
export interface Row {
  readonly seq: number;
  readonly step: bigint;
  readonly timeUs: bigint;
  readonly values: Readonly<{ [key: string]: number }>;
}

export class SpoolRoom {
  readonly home = mkdtempSync(join(tmpdir(), "pkx-spool-"));
  readonly ringsFolder = join(this.home, "d.rings");
  readonly spoolFolder = join(this.home, "spool");
  readonly frames: Frame[] = [];
  readonly lines: LogLine[] = [];
  readonly lost: LostFrames[] = [];
  /** Codes that refuse frames of a run. */
  readonly refuse = new Map<string, FailureCode>();
  /** Thrown by the append of the frame with this seq, once. */
  failAt: { seq: number; error: Error } | undefined;
  runs = new Set<string>();
  readonly #drains: SpoolDrain[] = [];

  constructor() {
    mkdirSync(this.ringsFolder, { mode: 0o700 });
    mkdirSync(this.spoolFolder, { mode: 0o700 });
  }

  drain(): SpoolDrain {
    const log = (level: string) => (fields: object, message: string) => {
      this.lines.push({ level, message, fields: { ...fields } });
    };
    const drain = new SpoolDrain({
      ringsFolder: this.ringsFolder,
      spoolFolder: this.spoolFolder,
      lastSeq: async (writerId) => this.lastSeq(writerId),
      append: (frame) => {
        const result = this.#append(frame);
        return { taken: result.catch(() => undefined), result };
      },
      onLost: async (frames) => {
        this.lost.push(frames);
      },
      intervalMs: 60_000,
      log: { info: log("info"), warn: log("warn"), error: log("error") },
    });
    this.#drains.push(drain);
    return drain;
  }

  lastSeq(writerId: string): number {
    return this.frames.findLast((frame) => frame.writerId === writerId)?.seq ?? 0;
  }

  putRing(content = GOLDEN.ring, writerId = GOLDEN.writerId): void {
    writeFileSync(join(this.ringsFolder, `${writerId}.ring`), content, { mode: 0o600 });
  }

  putSpool(content = GOLDEN.spool, writerId = GOLDEN.writerId): void {
    writeFileSync(join(this.spoolFolder, `${writerId}.frames`), content, { mode: 0o600 });
  }

  /** Files that are left. */
  left(): string[] {
    return [...readdirSync(this.ringsFolder), ...readdirSync(this.spoolFolder)];
  }

  /** Lines of at least the level warn. */
  loud(): LogLine[] {
    return this.lines.filter(({ level }) => level !== "info");
  }

  rows(): Row[] {
    return this.frames.flatMap(({ seq, records }) =>
      records.flatMap(({ record }) => {
        if (record?.$case !== "metrics") return [];
        const { keySets, rowKeySet, rowStep, rowTimeUs, values } = record.value;
        let at = 0;
        return Array.from({ length: rowKeySet.length / 4 }, (_, i) => {
          const keys = keySets[rowKeySet.readUInt32LE(4 * i)]?.keys ?? [];
          const entries = keys.map((key): [string, number] => [key, values.readDoubleLE(8 * at++)]);
          return {
            seq,
            step: rowStep.readBigInt64LE(8 * i),
            timeUs: rowTimeUs.readBigInt64LE(8 * i),
            values: Object.fromEntries(entries),
          };
        });
      }),
    );
  }

  async end(): Promise<void> {
    for (const drain of this.#drains) await drain.stop();
    rmSync(this.home, { recursive: true, force: true });
  }

  /** As the journal and its intake do. */
  async #append(frame: Frame): Promise<LogResponse> {
    const { writerId, seq, runId, records } = frame;
    const answer = (code?: FailureCode) => ({
      writerId,
      ackedSeq: seq,
      rejection: code && new PipekitError(code, "Refused.").toDetail(),
    });
    if (this.failAt?.seq === seq) {
      const { error } = this.failAt;
      this.failAt = undefined;
      throw error;
    }
    const last = this.lastSeq(writerId);
    if (seq <= last) return answer();
    const code = this.refuse.get(runId);
    if (code !== undefined) return answer(code);
    if (records[0]?.record?.$case === "start") this.runs.add(runId);
    if (!this.runs.has(runId)) return answer("RUN_NOT_FOUND");
    if (seq !== last + 1) return answer("INVALID_FRAME");
    this.frames.push(frame);
    return answer();
  }
}
