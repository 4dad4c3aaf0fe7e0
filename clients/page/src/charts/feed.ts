/** The points of one run: asked for the metrics that are on the screen, and followed while the run is alive. */
import type { EditorNotifications, SeriesPoints } from "@pipekit/proto/editor";
import { RequestFailure } from "../host.ts";
import type { Page } from "../page.ts";
import { Series } from "./series.ts";

const MAX_POINTS = 2000;
/** Metrics that come into sight within so many milliseconds are asked for together. */
const GATHER_MS = 25;
/** What has left the screen is followed so much longer: a person scrolls back. */
const LINGER_MS = 4000;
/** As many as one request may name. */
const MAX_KEYS = 1000;
/** Follows that the runs of a view hold together, unless there are more runs; the pages of an editor share a session. */
const MOST_FOLLOWS = 6;

type Told = EditorNotifications["pipekit/points"];

export interface FeedOptions {
  readonly runId: string;
  /** Whether the run goes on. */
  readonly live: boolean;
  /** Runs of the same view, this one among them. */
  readonly beside: number;
  /** Points of a metric have changed. */
  changed(key: string): void;
  failed(failure: unknown): void;
}

export class RunFeed {
  readonly runId: string;
  readonly #page: Page;
  readonly #life: AbortSignal;
  readonly #series = new Map<string, Series>();
  readonly #shown = new Set<string>();
  /** Which metrics each follow tells of. */
  readonly #follows = new Map<string, ReadonlySet<string>>();
  readonly #wanted = new Set<string>();
  readonly #changed: (key: string) => void;
  readonly #failed: (failure: unknown) => void;
  readonly #mostFollows: number;
  #live: boolean;
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #lingering: ReturnType<typeof setTimeout> | undefined;
  #asking = 0;
  /** Whether something was asked for and refused. */
  #unanswered = false;
  /** Told of follows whose answer is still on its way. */
  #early: Told[] = [];

  constructor(page: Page, options: FeedOptions, life: AbortSignal) {
    this.#page = page;
    this.runId = options.runId;
    this.#live = options.live;
    this.#mostFollows = Math.max(1, Math.floor(MOST_FOLLOWS / options.beside));
    this.#changed = options.changed;
    this.#failed = options.failed;
    this.#life = life;
    page.on("pipekit/points", (told) => this.#told(told), life);
    page.onRestart(() => this.#askAnew(), life);
    page.on(
      "pipekit/daemonStatus",
      ({ state }) => {
        if (state === "connected" && this.#unanswered) this.#askAnew();
      },
      life,
    );
    life.addEventListener("abort", () => this.#close());
  }

  series(key: string): Series {
    const present = this.#series.get(key);
    if (present !== undefined) return present;
    const made = new Series();
    this.#series.set(key, made);
    return made;
  }

  /** The metric is on the screen. */
  show(key: string): void {
    this.#shown.add(key);
    const followed = [...this.#follows.values()].some((keys) => keys.has(key));
    if (!followed && (this.#live || this.series(key).version === 0)) this.#want(key);
  }

  hide(key: string): void {
    this.#shown.delete(key);
    this.#wanted.delete(key);
    this.#lingering ??= setTimeout(() => this.#unfollowHidden(), LINGER_MS);
  }

  /** Whether the run goes on: it ended, or was resumed. */
  setLive(live: boolean): void {
    if (live === this.#live) return;
    this.#live = live;
    if (live) this.#askAnew();
  }

  /** Asks for a range of steps in full detail. */
  async zoom(keys: readonly string[], fromStep: number, toStep: number, signal: AbortSignal): Promise<void> {
    const params = { runId: this.runId, keys: [...keys], fromStep, toStep, maxPoints: MAX_POINTS };
    const { series } = await this.#page.host.request("pipekit/metrics", params, signal);
    for (const points of series) {
      this.series(points.key).zoom(fromStep, toStep, points);
      this.#changed(points.key);
    }
  }

  #want(key: string): void {
    this.#wanted.add(key);
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      void this.#ask();
    }, GATHER_MS);
  }

  #askAnew(): void {
    this.#follows.clear();
    this.#early = [];
    this.#unanswered = false;
    for (const key of this.#shown) this.#want(key);
  }

  async #ask(): Promise<void> {
    if (this.#wanted.size === 0 || this.#life.aborted) return;
    if (this.#live && this.#follows.size >= this.#mostFollows) await this.#unfollowAll();
    const keys = [...this.#wanted].slice(0, MAX_KEYS);
    for (const key of keys) this.#wanted.delete(key);
    const params = { runId: this.runId, keys, maxPoints: MAX_POINTS };
    this.#asking++;
    try {
      if (this.#live) {
        const { follow, series } = await this.#page.host.request("pipekit/follow", params);
        if (this.#life.aborted) void this.#unfollow(follow);
        else this.#follows.set(follow, new Set(keys));
        this.#take(series, true);
      } else {
        const { series } = await this.#page.host.request("pipekit/metrics", params, this.#life);
        this.#take(series, true);
      }
    } catch (thrown) {
      this.#unanswered = true;
      if (thrown instanceof RequestFailure) this.#failed(thrown);
      else if (!this.#life.aborted) throw thrown;
    } finally {
      this.#asking--;
      this.#takeEarly();
    }
    if (this.#wanted.size > 0) await this.#ask();
  }

  #told(told: Told): void {
    if (this.#follows.has(told.follow)) this.#take(told.series, told.restart);
    else if (this.#asking > 0 && told.runId === this.runId) this.#early.push(told);
  }

  #takeEarly(): void {
    const early = this.#early;
    this.#early = [];
    for (const told of early) this.#told(told);
  }

  #take(series: readonly SeriesPoints[], restart: boolean): void {
    for (const points of series) {
      if (restart) this.series(points.key).replace(points);
      else this.series(points.key).append(points);
      this.#changed(points.key);
    }
  }

  #unfollowHidden(): void {
    this.#lingering = undefined;
    for (const [follow, keys] of this.#follows) {
      if ([...keys].some((key) => this.#shown.has(key))) continue;
      this.#follows.delete(follow);
      void this.#unfollow(follow);
    }
  }

  /** One follow of all that is on the screen takes the place of many. */
  async #unfollowAll(): Promise<void> {
    const before = [...this.#follows.keys()];
    this.#follows.clear();
    for (const key of this.#shown) this.#wanted.add(key);
    await Promise.all(before.map((follow) => this.#unfollow(follow)));
  }

  #unfollow(follow: string): Promise<unknown> {
    // A session that has ended follows nothing any more.
    return this.#page.host.request("pipekit/unfollow", { follow }).catch(() => {});
  }

  #close(): void {
    clearTimeout(this.#gathering);
    clearTimeout(this.#lingering);
    for (const follow of this.#follows.keys()) void this.#unfollow(follow);
    this.#follows.clear();
  }
}
