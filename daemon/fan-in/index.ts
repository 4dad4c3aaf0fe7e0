/**
 * Fan-in: daemons publish their journals to a stream, and one takes them from there into its own.
 *
 * Architecture Invariant: a frame keeps its writer and seq on every way, so that what comes twice, or by two ways, is there
 * once; a message is acknowledged only after its frames are on disk.
 *
 * Out: publisher.ts reads the journal behind a position that published.ts keeps, packing.ts makes messages. In: taker.ts,
 * which puts bodies together (bodies.ts), journals them (frame-taker.ts) and parks what is no frames (parking.ts). What a
 * stream is, is behind a seam: adapters/stream.ts.
 */
import { join } from "node:path";
import type { StreamKind } from "@pipekit/adapters/stream";
import type { Logger } from "pino";
import type { ForeignJournal, Journal } from "../journal/index.ts";
import { FrameTaker, type FrameTarget } from "./frame-taker.ts";
import { Parking } from "./parking.ts";
import { Published } from "./published.ts";
import { Publisher } from "./publisher.ts";
import { Taker } from "./taker.ts";

export type { FrameTarget } from "./frame-taker.ts";

/** What fan-in is made of. Specs are checked. */
export interface FanInOptions {
  /** Stream to publish to. */
  readonly bridge: string | undefined;
  /** Stream to take from. */
  readonly fanIn: string | undefined;
  readonly kind: StreamKind;
  readonly env: NodeJS.ProcessEnv;
  readonly stateFolder: string;
  readonly journal: Pick<Journal, "onCommit">;
  /** Opens our own journal for reading as another's. */
  readonly openFrames: () => Promise<ForeignJournal>;
  readonly target: FrameTarget;
  readonly log: Logger;
}

/** A daemon's two ends of streams. */
export interface FanIn {
  start(): void;
  stop(): Promise<void>;
  /** Waits until the journal is published, at most `timeoutMs`. Rejects with the signal's reason. */
  whenPublished(timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** Up to which position of the journal runs may be pruned. */
  readonly publishedTo: number;
  /** What a person should know, one sentence each. */
  warnings(): string[];
}

/** Nothing is connected before `start`. Throws errors of the file system. */
export async function openFanIn(options: FanInOptions): Promise<FanIn> {
  const { bridge, fanIn, kind, env, stateFolder, journal, openFrames, target, log } = options;
  const published =
    bridge === undefined
      ? undefined
      : await Published.open(join(stateFolder, "bridge.json"), kind.parse(bridge));
  const parking = new Parking(join(stateFolder, "parked"), log);
  const frames = new FrameTaker(target, log);
  const ends: { close(): Promise<void> }[] = [];
  const connect = (spec: string) => {
    const stream = kind.connect(spec, { env });
    ends.push(stream);
    return stream;
  };
  let publisher: Publisher | undefined;
  let taker: Taker | undefined;
  return {
    start: () => {
      if (bridge !== undefined && published !== undefined) {
        publisher = new Publisher({ journal, openFrames, stream: connect(bridge), published, log });
        publisher.start();
      }
      if (fanIn !== undefined) {
        taker = new Taker({ stream: connect(fanIn), frames, parking, log });
        taker.start();
      }
    },
    stop: async () => {
      await Promise.all([publisher?.stop(), taker?.stop()]);
      await Promise.all(ends.map((end) => end.close()));
    },
    whenPublished: async (timeoutMs, signal) => publisher?.whenPublished(timeoutMs, signal),
    get publishedTo() {
      return published?.position ?? Number.POSITIVE_INFINITY;
    },
    warnings: () => [
      ...[publisher?.trouble ?? "", taker?.trouble ?? ""].filter((text) => text !== ""),
      ...(frames.refused > 0
        ? [`Frames of ${frames.refused} writers are not taken from the stream: see the log.`]
        : []),
      ...(parking.count > 0 ? [`${parking.count} messages of the stream were no frames: see the log.`] : []),
    ],
  };
}
