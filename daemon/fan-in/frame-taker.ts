import type { ForwardedFrames, Frame } from "@pipekit/proto";
import type { Logger } from "pino";
import { refusesFrame } from "../journal/index.ts";

/** Frames without records leave no trace in a journal but their numbers; a larger gap is damage. */
const MAX_GAP = 100_000;
/** So long what stands before a frame may be on its way still, milliseconds. */
const PATIENCE_MS = 90_000;
const MOST_WRITERS = 10_000;

/** Where frames go. */
export interface FrameTarget {
  lastSeq(writerId: string): Promise<number>;
  /** Appends a frame that another daemon journaled; resolves when it is on disk. Called in the order of each writer. */
  append(frame: Frame, signal: AbortSignal): Promise<{ readonly onDisk: Promise<void> }>;
}

/** Takes frames that another daemon has published. What is refused holds up its own writer alone. */
export class FrameTaker {
  readonly #target: FrameTarget;
  readonly #log: Logger;
  readonly #lastSeqs = new Map<string, number>();
  /** Writers of which frames were refused. */
  readonly #refused = new Set<string>();
  /** Since when a writer's frames are early, by performance.now(). */
  readonly #earlySince = new Map<string, number>();
  /** Frames taken by this process. */
  taken = 0;

  constructor(target: FrameTarget, log: Logger) {
    this.#target = target;
    this.#log = log;
  }

  /** How many writers' frames are refused. */
  get refused(): number {
    return this.#refused.size;
  }

  /**
   * Resolves when all is on disk or refused; `early` when frames before these are on their way, perhaps after some were
   * taken. Throws what says nothing of the frames: STORAGE_FULL, DAEMON_UNAVAILABLE.
   */
  async take(frames: ForwardedFrames["frames"], signal: AbortSignal): Promise<"taken" | "early"> {
    const appends: Promise<void>[] = [];
    let early = false;
    try {
      for (const { frame, previousSeq } of frames) {
        if (frame === undefined || (await this.#takeOne(frame, previousSeq, appends, signal)) !== "early")
          continue;
        early = true;
        break;
      }
      await Promise.all(appends);
      return early ? "early" : "taken";
    } catch (error) {
      // What was begun counts for nothing until the journal says so.
      await Promise.allSettled(appends);
      this.#lastSeqs.clear();
      throw error;
    }
  }

  async #takeOne(
    frame: Frame,
    previousSeq: number,
    appends: Promise<void>[],
    signal: AbortSignal,
  ): Promise<"early" | undefined> {
    const { writerId, runId, seq } = frame;
    if (this.#refused.has(writerId)) return undefined;
    const known = this.#lastSeqs.get(writerId) ?? (await this.#target.lastSeq(writerId));
    if (seq <= known) return undefined;
    if (known < previousSeq) return this.#early(frame);
    if (seq - known > MAX_GAP) return this.#refuse(frame, "frames before it are missing");
    this.#earlySince.delete(writerId);
    for (let gap = known + 1; gap < seq; gap++) {
      await this.#append({ writerId, runId, seq: gap, records: [] }, appends, signal);
    }
    await this.#append(frame, appends, signal);
    if (this.#lastSeqs.size >= MOST_WRITERS) this.#lastSeqs.clear();
    this.#lastSeqs.set(writerId, seq);
    return undefined;
  }

  async #append(frame: Frame, appends: Promise<void>[], signal: AbortSignal): Promise<void> {
    const refuse = (error: unknown) => {
      if (!refusesFrame(error)) throw error;
      this.#refuse(frame, error.message);
    };
    try {
      const { onDisk } = await this.#target.append(frame, signal);
      appends.push(
        onDisk.then(() => {
          this.taken++;
        }, refuse),
      );
      onDisk.catch(() => undefined);
    } catch (error) {
      refuse(error);
    }
  }

  #early(frame: Frame): "early" | undefined {
    const now = performance.now();
    const since = this.#earlySince.get(frame.writerId) ?? now;
    this.#earlySince.set(frame.writerId, since);
    if (now - since < PATIENCE_MS) return "early";
    this.#earlySince.delete(frame.writerId);
    return this.#refuse(frame, "frames before it are lost from the stream");
  }

  #refuse({ writerId, runId, seq }: Frame, why: string): undefined {
    if (this.#refused.has(writerId)) return;
    if (this.#refused.size >= MOST_WRITERS) this.#refused.clear();
    this.#refused.add(writerId);
    this.#log.error(
      { runId, writerId, seq, why },
      "the frames of a writer are not taken from the stream; its daemon has them: sync its state folder",
    );
  }
}
