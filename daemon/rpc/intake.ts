import { rm } from "node:fs/promises";
import { type Frame, type LogResponse, PipekitError } from "@pipekit/proto";
import type { Logger } from "pino";
import type { ContentStore, Hold } from "../content/index.ts";
import type { Delivery } from "../delivery/index.ts";
import type { AppendResult, Journal } from "../journal/index.ts";
import { missing, toPipekitError } from "./calls.ts";
import { type CheckedFrame, checkFrame, checkFrameIds, type SinkResolver } from "./frames.ts";
import type { Turn } from "./pipeline.ts";
import { appendEither } from "./resuming.ts";

/** What frames are checked with and appended to. */
export interface IntakeOptions {
  readonly journal: Journal;
  readonly content: ContentStore;
  readonly delivery: Pick<Delivery, "canonicalSpecs" | "addSinks">;
  /** Named trackers of the config: name to specs. */
  readonly trackers: Readonly<{ [name: string]: readonly string[] }>;
  readonly log: Logger;
  /** Throws STORAGE_FULL when the daemon may take no more. */
  readonly admit?: () => Promise<void>;
  /** True once the daemon takes no more frames. */
  readonly draining?: () => boolean;
  /** Runs that start here are delivered by another daemon, which gets the frames: they have no sinks here. */
  readonly forwards?: boolean;
}

const FINAL_REJECTIONS: ReadonlySet<string> = new Set([
  "INVALID_ARGUMENT",
  "INVALID_FRAME",
  "PERMISSION_DENIED",
  "RUN_NOT_FOUND",
  "RUN_EXISTS",
  "RUN_ENDED",
  "RUN_PRUNED",
]);

/** The way in: checks frames, appends them, removes what was staged for them. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly resolver: SinkResolver;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.resolver = {
      canonicalSpecs: (specs) => options.delivery.canonicalSpecs(specs),
      named: (tracker) => (Object.hasOwn(options.trackers, tracker) ? options.trackers[tracker] : undefined),
      names: Object.keys(options.trackers),
    };
  }

  /** Appends a frame that must be good as a whole; throws its rejection before anything is written. */
  async appendWhole(frame: Frame, signal: AbortSignal): Promise<CheckedFrame> {
    const checked = await this.#check(frame, signal);
    if (checked.rejection !== undefined) {
      checked.hold.release();
      throw checked.rejection;
    }
    await this.#append(checked);
    return checked;
  }

  /** Appends a frame of another journal, checked and admitted by the caller. Throws what the journal throws. */
  appendForeign(frame: Frame, sinks: readonly string[], hold: Hold): Promise<AppendResult> {
    return appendEither(this.#options, frame, sinks).finally(() => hold.release());
  }

  /** Throws when frames, or this one, are not taken now: DAEMON_UNAVAILABLE, STORAGE_FULL. */
  async admit(frame?: Frame): Promise<void> {
    const { draining, admit } = this.#options;
    if (draining?.()) {
      throw new PipekitError("DAEMON_UNAVAILABLE", "The daemon is shutting down.", {
        mend: "Send the frame again: the client starts the daemon anew.",
      });
    }
    // A run that cannot end can never be pruned, which is what makes room.
    const isEnd = frame?.records.length === 1 && frame.records[0]?.record?.$case === "end";
    if (!isEnd) await admit?.();
  }

  /**
   * Takes a frame of a Log stream: what is good of it is kept, and a rejection is an answer, not an end. `allow` gives the
   * frame as its sender may have it journaled, or throws.
   */
  begin(
    frame: Frame | undefined,
    signal: AbortSignal,
    allow?: (frame: Frame) => Promise<Frame>,
  ): Turn<LogResponse> {
    if (frame === undefined) throw missing("frame");
    const { writerId, seq } = frame;
    const allowed =
      allow === undefined ? this.#check(frame, signal) : this.#checkAllowed(allow(frame), signal);
    const appended = allowed.then((checked) => ({ checked, done: this.#append(checked) }));
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

  async #checkAllowed(frame: Promise<Frame>, signal: AbortSignal): Promise<CheckedFrame> {
    return this.#check(await frame, signal);
  }

  async #check(frame: Frame, signal: AbortSignal): Promise<CheckedFrame> {
    await this.admit(frame);
    const { journal, content } = this.#options;
    const hold = content.hold();
    const hasArtifact = frame.records.some((record) => record.record?.$case === "artifact");
    if (hasArtifact) {
      checkFrameIds(frame);
      // A replay's staged files are gone already; the journal drops the frame unread.
      if (frame.seq <= (await journal.lastSeq(frame.writerId))) {
        return { frame: { ...frame, records: [] }, sinks: [], rejection: undefined, staged: [], hold };
      }
    }
    try {
      const { forwards = false } = this.#options;
      // Trackers are those of the other daemon's config.
      const resolver = forwards ? { ...this.resolver, named: () => [] } : this.resolver;
      const checked = await checkFrame(frame, resolver, content, hold, signal);
      return forwards ? { ...checked, sinks: [] } : checked;
    } catch (error) {
      hold.release();
      throw error;
    }
  }

  async #append(checked: CheckedFrame): Promise<void> {
    await appendEither(this.#options, checked.frame, checked.sinks).finally(() => checked.hold.release());
    // Only now: a crash before the commit must leave the file for the replay.
    await Promise.all(checked.staged.map((path) => rm(path, { recursive: true, force: true })));
  }
}
