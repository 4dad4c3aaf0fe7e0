/** Calls that are worth another try get one, a few times; what is left of a failure is thrown. */

import { setTimeout as delay } from "node:timers/promises";
import type { z } from "zod";
import type { MlflowApi, Result } from "../api.ts";
import { failureOf } from "./failures.ts";

/** How long a call goes on trying. */
export interface Patience {
  readonly attempts: number;
  /** Pause before the second attempt, milliseconds; each later one is three times as long. */
  readonly firstPauseMs: number;
  /** Longest wait that the server may ask for, milliseconds. */
  readonly longestPauseMs: number;
}

export const PATIENCE: Patience = { attempts: 4, firstPauseMs: 200, longestPauseMs: 5000 };

/** One server; every method throws BackendUnavailable and BackendRefused. */
export class Server {
  readonly api: MlflowApi;
  readonly #patience: Patience;

  constructor(api: MlflowApi, patience: Patience) {
    this.api = api;
    this.#patience = patience;
  }

  get<T>(path: string, query: Readonly<Record<string, string>>, schema: z.ZodType<T>, signal: AbortSignal) {
    return this.insist(() => this.api.get(path, query, schema, signal), signal);
  }

  post<T>(path: string, body: object, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    return this.insist(() => this.api.post(path, body, schema, signal), signal);
  }

  /** Harmless when there is nothing to delete. */
  async delete(path: string, body: object, signal: AbortSignal): Promise<void> {
    await this.find(() => this.api.send("DELETE", path, body, signal), signal);
  }

  /** The answer; something that does not exist is a failure. */
  async insist<T>(call: () => Promise<Result<T>>, signal: AbortSignal): Promise<T> {
    const result = await this.attempt(call, signal);
    if (result.ok) return result.value;
    throw failureOf(result.fault);
  }

  /** The answer; undefined when what was asked for does not exist. */
  async find<T>(call: () => Promise<Result<T>>, signal: AbortSignal): Promise<T | undefined> {
    const result = await this.attempt(call, signal);
    if (result.ok) return result.value;
    if (result.fault.kind === "missing") return undefined;
    throw failureOf(result.fault);
  }

  /** The last of several tries; throws only when the signal aborts. `call` must be harmless when it is repeated. */
  async attempt<T>(call: () => Promise<Result<T>>, signal: AbortSignal): Promise<Result<T>> {
    const { attempts, firstPauseMs, longestPauseMs } = this.#patience;
    for (let attempt = 1, pauseMs = firstPauseMs; ; attempt++, pauseMs *= 3) {
      signal.throwIfAborted();
      const result = await call();
      signal.throwIfAborted();
      if (result.ok || result.fault.kind !== "transient" || attempt === attempts) return result;
      const { status, afterMs = pauseMs * (0.5 + Math.random()) } = result.fault;
      if (status === 401 || status === 403 || afterMs > longestPauseMs) return result;
      await delay(afterMs, undefined, { signal });
    }
  }
}
