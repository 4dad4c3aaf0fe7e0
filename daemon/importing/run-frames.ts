/** The frames of one imported run, in their order, several on their way to the disk at a time. */
import type { Frame, Record } from "@pipekit/proto";

const IN_FLIGHT = 8;
/** Points of a frame, about. */
const MOST_POINTS = 8192;

/** Keeps the files of an artifact until its frame is on disk. */
export interface Held {
  release(): void;
}

/** Where frames go. */
export interface RunFramesParts {
  readonly runId: string;
  readonly writerId: string;
  /** Seq of the writer's last frame that is on disk. */
  readonly lastSeq: number;
  /** What the first frame begins with. */
  readonly first: Record | undefined;
  readonly sinks: readonly string[];
  /** Appends and releases; may throw what the journal throws. */
  readonly append: (frame: Frame, sinks: readonly string[], held: Held | undefined) => Promise<unknown>;
  /** Throws when nothing more is taken: STORAGE_FULL, DAEMON_UNAVAILABLE. */
  readonly admit: () => Promise<void>;
}

export class RunFrames {
  readonly #parts: RunFramesParts;
  readonly #waiting: Promise<unknown>[] = [];
  #records: Record[] = [];
  #points = 0;
  #seq: number;
  #begun = false;

  constructor(parts: RunFramesParts) {
    this.#parts = parts;
    this.#seq = parts.lastSeq;
  }

  /** Whether anything was added. */
  get hasBegun(): boolean {
    return this.#begun;
  }

  /** Adds what the first frame begins with, even when nothing follows. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    if (this.#parts.first !== undefined) this.#records.push(this.#parts.first);
  }

  /** Adds a record with so many points; what is `held` is released once it is on disk, or cannot get there. */
  async add(record: Record, points = 0, held?: Held): Promise<void> {
    this.begin();
    this.#records.push(record);
    this.#points += points;
    if (this.#points >= MOST_POINTS || held !== undefined) await this.#send(held);
  }

  /** Resolves when all of it is on disk. Throws what the journal throws. */
  async close(): Promise<void> {
    if (this.#records.length > 0) await this.#send(undefined);
    await Promise.all(this.#waiting.splice(0));
  }

  /** Resolves when nothing is on its way any more, whatever became of it. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#waiting.splice(0));
  }

  async #send(held: Held | undefined): Promise<void> {
    try {
      await this.#parts.admit();
    } catch (error) {
      held?.release();
      throw error;
    }
    const { runId, writerId, sinks, append } = this.#parts;
    this.#seq++;
    const frame = { runId, writerId, seq: this.#seq, records: this.#records };
    this.#records = [];
    this.#points = 0;
    const appended = append(frame, sinks, held);
    // Seen by whoever waits for it.
    appended.catch(() => {});
    this.#waiting.push(appended);
    if (this.#waiting.length >= IN_FLIGHT) await this.#waiting.shift();
  }
}
