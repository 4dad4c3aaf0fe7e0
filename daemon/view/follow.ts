/**
 * The points of a run: those that are there, and then each that is logged since, over breaks of the connection. After a break
 * the series are read anew and told whole, so that nothing is doubled or lost however the daemon ended.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { EditorNotifications, SeriesPoints } from "@pipekit/proto/editor";
import { anyOf, isAway, pause } from "./aborting.ts";
import type { Connected, Link } from "./link.ts";
import { Pace } from "./pace.ts";
import { Points } from "./points.ts";

/** Between two tellings, milliseconds. */
const TELL_MS = 100;
/** Before the series are read anew on a connection that still stands, milliseconds. */
const RETRY_MS = 200;

/** What is followed. */
export interface FollowOptions {
  readonly follow: string;
  readonly runId: string;
  /** Empty for all. */
  readonly keys: readonly string[];
  readonly maxPoints: number;
  readonly tell: (points: EditorNotifications["pipekit/points"]) => void;
}

export class Follow {
  readonly #link: Link;
  readonly #options: FollowOptions;
  readonly #closing = new AbortController();
  readonly #first = Promise.withResolvers<readonly SeriesPoints[]>();
  readonly #live = new Points();
  readonly #pace = new Pace(TELL_MS, () => this.#tellLive());
  #begun = false;

  constructor(link: Link, options: FollowOptions) {
    this.#link = link;
    this.#options = options;
  }

  /** Resolves with the series as they are; what comes since is told. Throws what `watchMetrics` throws. */
  begin(): Promise<readonly SeriesPoints[]> {
    // A failure before the first series is told to who waits for them.
    this.#run().catch((error: unknown) => this.#first.reject(error));
    return this.#first.promise;
  }

  close(): void {
    this.#closing.abort();
    this.#pace.close();
    this.#live.clear();
  }

  async #run(): Promise<void> {
    const closing = this.#closing.signal;
    while (!closing.aborted) {
      // Who asks has the daemon started; who watches waits for it.
      const connected = this.#begun ? await this.#link.next(closing) : await this.#link.connected(closing);
      try {
        await this.#read(connected, anyOf(closing, connected.lost));
      } catch (error) {
        closing.throwIfAborted();
        if (!isAway(error)) return this.#fail(error);
        if (!this.#begun) this.#link.drop(connected);
        await pause(RETRY_MS, closing);
      }
    }
  }

  async #read({ client }: Connected, signal: AbortSignal): Promise<void> {
    const { runId, keys, maxPoints } = this.#options;
    const whole = new Points();
    let complete = false;
    for await (const { series, live, restart } of client.watchMetrics(runId, { keys, maxPoints, signal })) {
      if (restart) {
        whole.clear();
        complete = false;
      }
      if (!live) {
        whole.add(series);
        continue;
      }
      if (!complete) {
        complete = true;
        await this.#tellWhole(whole.takeWhole());
      }
      this.#live.add(series);
      if (!this.#live.isEmpty) this.#pace.ask();
    }
  }

  async #tellWhole(series: SeriesPoints[]): Promise<void> {
    this.#live.clear();
    if (this.#begun) {
      this.#tell(series, true);
      return;
    }
    this.#begun = true;
    this.#first.resolve(series);
    // The answer goes out before anything is told.
    await turn();
  }

  #tellLive(): void {
    if (!this.#live.isEmpty) this.#tell(this.#live.takeLive(this.#options.maxPoints), false);
  }

  #tell(series: readonly SeriesPoints[], restart: boolean): void {
    const { follow, runId, tell } = this.#options;
    if (!this.#closing.signal.aborted) tell({ follow, runId, series, restart });
  }

  /** The run is not there any more: another daemon answers, or its records were pruned. */
  #fail(error: unknown): void {
    if (!this.#begun) throw error;
    this.#live.clear();
    this.#tell([], true);
  }
}
