/** Says of frames that a restore has lost, where a person looks: in the log, in the daemon's warnings, and on the run. */
import type { Logger } from "pino";
import { ulid } from "ulid";
import type { Journal, LostFrames } from "../journal/index.ts";
import type { Restored } from "./marks.ts";

/** Begins the name of the tag; the id of the writer follows. */
const TAG = "pipekit.lost_frames.";

export class LostNotes {
  readonly #restored: Restored;
  readonly #log: Logger;
  #writers = 0;
  #frames = 0;

  constructor(restored: Restored, log: Logger) {
    this.#restored = restored;
    this.#log = log;
  }

  /** What a person should know, one sentence each. */
  get warnings(): string[] {
    const { delivers } = this.#restored;
    return [
      ...(delivers ? [] : ["This folder was restored without delivery: trackers get nothing from it."]),
      ...(this.#writers === 0
        ? []
        : [
            `${this.#frames} frames of ${this.#writers} writers, acknowledged after the backup of ${this.#when}, are lost: see the tags ${TAG}* of the runs.`,
          ]),
    ];
  }

  /** Does not reject. */
  async tell(journal: Pick<Journal, "append">, { runId, writerId, from, to }: LostFrames): Promise<void> {
    this.#writers++;
    this.#frames += to - from + 1;
    this.#log.warn({ runId, writerId, from, to }, "frames that were acknowledged after the backup are lost");
    const value = `${to - from + 1} frames (${from} to ${to}), acknowledged after the backup of ${this.#when}, are lost`;
    const record = { $case: "tags", value: { tags: { [TAG + writerId]: value } } } as const;
    try {
      // The first frame behind the gap may have been the run's end.
      await journal.append({ runId, writerId: ulid(), seq: 1, records: [{ record }] }, [], undefined, true);
    } catch (err) {
      this.#log.error({ err, runId }, "the run could not be told of its lost frames");
    }
  }

  get #when(): string {
    return new Date(this.#restored.backup_at_us / 1000).toISOString();
  }
}
