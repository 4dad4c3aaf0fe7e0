import { rm } from "node:fs/promises";
import { type Frame, type LogResponse, PipekitError } from "@pipekit/proto";
import type { Logger } from "pino";
import type { ContentStore } from "../content/index.ts";
import type { Delivery } from "../delivery/index.ts";
import type { Journal } from "../journal/index.ts";
import { missing, toPipekitError } from "./calls.ts";
import { type CheckedFrame, checkFrame, checkFrameIds, type SinkResolver } from "./frames.ts";
import type { Turn } from "./pipeline.ts";

/** What frames are checked with and appended to. */
export interface IntakeOptions {
  readonly journal: Journal;
  readonly content: ContentStore;
  readonly delivery: Pick<Delivery, "canonicalSpecs">;
  /** Named trackers of the config: name to specs. */
  readonly trackers: Readonly<{ [name: string]: readonly string[] }>;
  readonly log: Logger;
  /** True once the daemon takes no more frames. */
  readonly draining?: () => boolean;
}

const FINAL_REJECTIONS: ReadonlySet<string> = new Set([
  "INVALID_ARGUMENT",
  "INVALID_FRAME",
  "RUN_NOT_FOUND",
  "RUN_EXISTS",
  "RUN_ENDED",
]);

/** The way in: checks frames, appends them, removes what was staged for them. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #resolver: SinkResolver;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#resolver = {
      canonicalSpecs: (specs) => options.delivery.canonicalSpecs(specs),
      named: (tracker) => (Object.hasOwn(options.trackers, tracker) ? options.trackers[tracker] : undefined),
      names: Object.keys(options.trackers),
    };
  }

  /** Appends a frame that must be good as a whole; throws its rejection before anything is written. */
  async appendWhole(frame: Frame, signal: AbortSignal): Promise<CheckedFrame> {
    const checked = await this.#check(frame, signal);
    if (checked.rejection !== undefined) throw checked.rejection;
    await this.#append(checked);
    return checked;
  }

  /** Takes a frame of a Log stream: what is good of it is kept, and a rejection is an answer, not an end. */
  begin(frame: Frame | undefined, signal: AbortSignal): Turn<LogResponse> {
    if (frame === undefined) throw missing("frame");
    const { writerId, seq } = frame;
    const appended = this.#check(frame, signal).then((checked) => ({ checked, done: this.#append(checked) }));
    const result = appended.then(async ({ checked, done }) => {
      await done;
      return { writerId, ackedSeq: seq, rejection: checked.rejection?.toDetail() };
    });
    return {
      taken: appended.catch(() => undefined),
      result: result.catch((e: unknown) => this.#reject(frame, e)),
    };
  }

  /** A frame that will never be accepted is answered; one that may be accepted later ends the stream, to be sent again. */
  #reject(frame: Frame, error: unknown): LogResponse {
    const failure = toPipekitError(error, this.#options.log);
    if (!FINAL_REJECTIONS.has(failure.code)) throw failure;
    return { writerId: frame.writerId, ackedSeq: frame.seq, rejection: failure.toDetail() };
  }

  async #check(frame: Frame, signal: AbortSignal): Promise<CheckedFrame> {
    if (this.#options.draining?.()) {
      throw new PipekitError("DAEMON_UNAVAILABLE", "The daemon is shutting down.", {
        mend: "Send the frame again: the client starts the daemon anew.",
      });
    }
    const { journal, content } = this.#options;
    const hasArtifact = frame.records.some((record) => record.record?.$case === "artifact");
    if (hasArtifact) {
      checkFrameIds(frame);
      // A replay's staged files are gone already; the journal drops the frame unread.
      if (frame.seq <= (await journal.lastSeq(frame.writerId))) {
        return { frame: { ...frame, records: [] }, sinks: [], rejection: undefined, staged: [] };
      }
    }
    return checkFrame(frame, this.#resolver, content, signal);
  }

  async #append(checked: CheckedFrame): Promise<void> {
    await this.#options.journal.append(checked.frame, checked.sinks);
    // Only now: a crash before the commit must leave the file for the replay.
    await Promise.all(checked.staged.map((path) => rm(path, { recursive: true, force: true })));
  }
}
