import { setTimeout as sleep } from "node:timers/promises";
import { type Loaded, PipekitError, type Registry, type TagMove } from "@pipekit/experiment";

/** A pause before the next try when something is away, and when something is broken. */
const RETRY_MS = 500;
const RETRY_BROKEN_MS = 30_000;

export interface FollowOptions<M> {
  readonly registry: Registry;
  readonly tag: string;
  /** Makes a model ready of its verified weights. What it throws keeps the model that serves until then. */
  readonly open: (loaded: Loaded, signal: AbortSignal) => Promise<M>;
  /** Lets go of a model that no request uses any more. */
  readonly close?: (model: M) => void | Promise<void>;
  /** Told of what happens; for a log. */
  readonly told?: (event: FollowEvent) => void;
}

export interface FollowEvent {
  readonly kind: "moved" | "serving" | "deleted" | "failed";
  readonly move: TagMove | undefined;
  readonly problem: string;
}

interface Served<M> {
  readonly move: TagMove;
  readonly model: M;
  users: number;
}

/**
 * The model that a tag points to. A promotion is loaded beside the model that serves and put in its place in one step;
 * the old one is closed when the last request that uses it has ended. A tag that is deleted, weights that are corrupt, a
 * daemon or registry that is away: the model that serves goes on serving, and `problem` says what is wrong.
 */
export class FollowedModel<M> {
  /** Why the model that serves is not the one that the tag points to; empty when it is. */
  problem = "";
  readonly #options: FollowOptions<M>;
  readonly #stopped = new AbortController();
  readonly #following: Promise<void>;
  #loading = new AbortController();
  #served: Served<M> | undefined;

  constructor(options: FollowOptions<M>) {
    this.#options = options;
    this.#following = this.#follow();
  }

  /** The move that made the model that serves the one to serve; undefined when there is none yet. */
  get move(): TagMove | undefined {
    return this.#served?.move;
  }

  /** Works with the model that serves now, to the end, whatever is promoted meanwhile; undefined when there is none. */
  async use<T>(work: (model: M, move: TagMove) => T | Promise<T>): Promise<T | undefined> {
    const served = this.#served;
    if (served === undefined) return undefined;
    served.users += 1;
    try {
      return await work(served.model, served.move);
    } finally {
      served.users -= 1;
      await this.#closeUnused(served);
    }
  }

  /** Stops following; the model is closed when the last request that uses it has ended. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#loading.abort();
    await this.#following;
    const last = this.#served;
    this.#served = undefined;
    if (last !== undefined) await this.#closeUnused(last);
  }

  async #follow(): Promise<void> {
    const { registry, tag } = this.#options;
    const { signal } = this.#stopped;
    let afterSeq = 0;
    while (!signal.aborted) {
      try {
        for await (const move of registry.watchTag(tag, { afterSeq, signal })) {
          afterSeq = move.seq;
          this.#loading.abort();
          this.#loading = new AbortController();
          if (move.hash === "") this.#tell("deleted", move, `The tag ${tag} was deleted by ${move.actor}.`);
          else void this.#take(move, this.#loading.signal);
        }
      } catch (error) {
        if (!signal.aborted) this.#tell("failed", undefined, String(error));
      }
      await pause(RETRY_MS, signal);
    }
  }

  /** Loads a model until that works or the tag moves on. */
  async #take(move: TagMove, signal: AbortSignal): Promise<void> {
    this.#options.told?.({ kind: "moved", move, problem: "" });
    while (!signal.aborted) {
      try {
        const loaded = await this.#options.registry.load(move.hash, { signal });
        const model = await this.#options.open(loaded, signal);
        if (signal.aborted) await this.#options.close?.(model);
        else await this.#swap({ move, model, users: 0 });
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#tell("failed", move, `The model ${move.hash} cannot be served: ${error}`);
        await pause(isAway(error) ? RETRY_MS : RETRY_BROKEN_MS, signal);
      }
    }
  }

  async #swap(next: Served<M>): Promise<void> {
    const last = this.#served;
    this.#served = next;
    this.#tell("serving", next.move, "");
    if (last !== undefined) await this.#closeUnused(last);
  }

  async #closeUnused(served: Served<M>): Promise<void> {
    if (served === this.#served || served.users > 0) return;
    try {
      await this.#options.close?.(served.model);
    } catch (error) {
      // Nobody waits for it: the request that used it last has its answer.
      this.#options.told?.({ kind: "failed", move: served.move, problem: `Closing it failed: ${error}` });
    }
  }

  #tell(kind: FollowEvent["kind"], move: TagMove | undefined, problem: string): void {
    this.problem = problem;
    this.#options.told?.({ kind, move, problem });
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

function isAway(error: unknown): boolean {
  const away = ["DAEMON_UNAVAILABLE", "REGISTRY_UNAVAILABLE"];
  return error instanceof PipekitError && away.includes(error.code);
}
