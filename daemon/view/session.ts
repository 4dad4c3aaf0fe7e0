import { PipekitError, unlessAborted } from "@pipekit/proto";
import type { EditorMethod, EditorResults, RunBrief } from "@pipekit/proto/editor";
import { anyOf, closed } from "./aborting.ts";
import { Follow } from "./follow.ts";
import { guarded } from "./listeners.ts";
import { Pace } from "./pace.ts";
import type { Desk } from "./requests/desk.ts";
import { answer } from "./requests/index.ts";
import { type Checked, checkedMethod, checkedParams } from "./requests/params.ts";
import { isUnfinished } from "./requests/runs.ts";
import type { Notify, Stop, ViewSession } from "./view.ts";

/** Between two tellings of runs, milliseconds. */
const TELL_MS = 100;
/** The first telling has the runs that are not finished, and so many of the newest. */
const FIRST_RUNS = 100;
const MAX_FOLLOWS = 20;

export class Session implements ViewSession {
  readonly #desk: Desk;
  readonly #notify: Notify;
  readonly #closing = new AbortController();
  readonly #follows = new Map<string, Follow>();
  readonly #registries = new Map<string, Stop | undefined>();
  readonly #stops: Stop[] = [];
  readonly #changed = new Map<string, RunBrief>();
  readonly #pace = new Pace(TELL_MS, () => this.#tellRuns());
  readonly #ended: () => void;
  #nextFollow = 1;
  #watching = false;

  constructor(desk: Desk, notify: Notify, ended: () => void) {
    this.#desk = desk;
    this.#notify = guarded(notify);
    this.#ended = ended;
  }

  async request(method: string, params: unknown, signal?: AbortSignal): Promise<unknown> {
    const name = checkedMethod(method);
    const either = anyOf(signal, this.#closing.signal);
    either.throwIfAborted();
    switch (name) {
      case "pipekit/follow":
        return this.#follow(checkedParams(name, params), either);
      case "pipekit/unfollow":
        return this.#unfollow(checkedParams(name, params).follow);
      default:
        this.#noteRegistry(name, params);
        return answer(this.#desk, name, params, either);
    }
  }

  watch(): void {
    if (this.#watching || this.#closing.signal.aborted) return;
    this.#watching = true;
    const { link, runs } = this.#desk;
    this.#notify("pipekit/daemonStatus", link.status);
    this.#stops.push(
      link.onStatus((status) => this.#notify("pipekit/daemonStatus", status)),
      runs.onFill(() => this.#tellFirst()),
      runs.onChange((changed) => this.#takeRuns(changed)),
    );
    if (runs.filled) this.#tellFirst();
    // Where the daemon is away, its status tells.
    else runs.ready(this.#closing.signal).catch(() => undefined);
    for (const registry of this.#registries.keys()) this.#watchRegistry(registry);
  }

  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(closed());
    for (const follow of this.#follows.values()) follow.close();
    for (const stop of [...this.#stops, ...this.#registries.values()]) stop?.();
    this.#pace.close();
    this.#ended();
  }

  async #follow(
    params: Checked<"pipekit/follow">,
    signal: AbortSignal,
  ): Promise<EditorResults["pipekit/follow"]> {
    if (this.#follows.size >= MAX_FOLLOWS) {
      throw new PipekitError("INVALID_ARGUMENT", `${MAX_FOLLOWS} runs are followed already.`, {
        field: "runId",
        mend: "End one with pipekit/unfollow.",
      });
    }
    const follow = `f${this.#nextFollow++}`;
    const following = new Follow(this.#desk.link, {
      ...params,
      follow,
      tell: (points) => this.#notify("pipekit/points", points),
    });
    this.#follows.set(follow, following);
    try {
      return { follow, runId: params.runId, series: await unlessAborted(following.begin(), signal) };
    } catch (error) {
      this.#unfollow(follow);
      throw error;
    }
  }

  #unfollow(follow: string): EditorResults["pipekit/unfollow"] {
    this.#follows.get(follow)?.close();
    this.#follows.delete(follow);
    return {};
  }

  #noteRegistry(method: EditorMethod, params: unknown): void {
    if (!ABOUT_REGISTRIES.has(method) || typeof params !== "object" || params === null) return;
    const registry = "registry" in params ? params.registry : "";
    if (typeof registry !== "string" || this.#registries.has(registry)) return;
    this.#registries.set(registry, undefined);
    if (this.#watching) this.#watchRegistry(registry);
  }

  #watchRegistry(registry: string): void {
    const told = this.#desk.models(registry).onChange((moves) => {
      if (moves.length > 0) this.#notify("pipekit/tagMoved", { registry, moves });
    });
    this.#registries.set(registry, told);
  }

  /** What a face shows before anybody has asked for more. */
  #tellFirst(): void {
    this.#changed.clear();
    const { runs } = this.#desk;
    const newest = runs.find("", FIRST_RUNS);
    const unfinished = runs.select(isUnfinished, Number.POSITIVE_INFINITY).runs;
    this.#notify("pipekit/runStatus", { runs: [...new Set([...newest, ...unfinished])], all: true });
  }

  #takeRuns(runs: readonly RunBrief[]): void {
    if (!this.#desk.runs.filled) return;
    for (const run of runs) this.#changed.set(run.runId, run);
    this.#pace.ask();
  }

  #tellRuns(): void {
    if (this.#changed.size === 0) return;
    const runs = [...this.#changed.values()];
    this.#changed.clear();
    this.#notify("pipekit/runStatus", { runs, all: false });
  }
}

const ABOUT_REGISTRIES: ReadonlySet<EditorMethod> = new Set([
  "pipekit/models",
  "pipekit/model",
  "pipekit/tags",
  "pipekit/tagHistory",
  "pipekit/resolve",
  "pipekit/promote",
  "pipekit/rollback",
]);
