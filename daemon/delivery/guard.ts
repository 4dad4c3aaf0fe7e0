import type {
  AdapterMemo,
  OpenResult,
  Properties,
  SendResult,
  SinkEnd,
  SinkRecord,
  SinkRun,
  TrackerAdapter,
} from "@pipekit/adapters/tracker";
import type { Logger } from "pino";
import type { Clock } from "./clock.ts";
import type { Answer, Counted, Setback } from "./exchange.ts";

/**
 * An adapter that keeps its word: a throw and a call without end become setbacks, and an abort is heeded soon even
 * where the adapter does not heed it. Such an adapter is `abandoned` and must not be called again.
 */
export class GuardedAdapter {
  readonly #connect: () => TrackerAdapter;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #times: { callTimeoutMs: number; abortGraceMs: number };
  #connected: TrackerAdapter | undefined;
  #abandoned = false;

  constructor(
    connect: () => TrackerAdapter,
    clock: Clock,
    log: Logger,
    times: { callTimeoutMs: number; abortGraceMs: number },
  ) {
    this.#connect = connect;
    this.#clock = clock;
    this.#log = log;
    this.#times = times;
  }

  get properties(): Properties {
    return this.#adapter.properties;
  }

  /** Connects at the first call, so that a throw of `connect` is caught like any other. */
  get #adapter(): TrackerAdapter {
    this.#connected ??= this.#connect();
    return this.#connected;
  }

  get abandoned(): boolean {
    return this.#abandoned;
  }

  open(run: SinkRun, memo: AdapterMemo | undefined, signal: AbortSignal): Promise<OpenResult | Setback> {
    return this.#guard((s) => this.#adapter.open(run, memo, s), signal);
  }

  /** `extraMs` is added to the time that the call may take. */
  send(batch: readonly SinkRecord[], extraMs: number, signal: AbortSignal): Promise<SendResult | Setback> {
    return this.#guard((s) => this.#adapter.send(batch, s), signal, extraMs);
  }

  finish(end: SinkEnd, signal: AbortSignal): Promise<SendResult | Setback> {
    return this.#guard((s) => this.#adapter.finish(end, s), signal);
  }

  count(keys: readonly string[], signal: AbortSignal): Promise<Counted | Setback> {
    const call = async (s: AbortSignal): Promise<Counted> => {
      return { status: "ok", count: await this.#adapter.count(keys, s) };
    };
    return this.#guard(call, signal);
  }

  takeMemo(): AdapterMemo | undefined {
    return this.#ask(() => this.#connected?.takeMemo());
  }

  takeNotes(): readonly string[] {
    return this.#ask(() => this.#connected?.takeNotes()) ?? [];
  }

  /** What an adapter that threw would have said is as good as nothing said: its answer before counts all the same. */
  #ask<T>(question: () => T | undefined): T | undefined {
    try {
      return question();
    } catch (error) {
      this.#log.error({ fault: describeFault(error) }, "an adapter threw");
      return undefined;
    }
  }

  async close(): Promise<void> {
    try {
      await this.#connected?.close();
    } catch (error) {
      this.#log.warn({ fault: describeFault(error) }, "an adapter failed to close");
    }
  }

  async #guard<R extends Answer>(
    call: (signal: AbortSignal) => Promise<R>,
    signal: AbortSignal,
    extraMs = 0,
  ): Promise<R | Setback> {
    signal.throwIfAborted();
    const timeoutMs = this.#times.callTimeoutMs + extraMs;
    const controller = new AbortController();
    const stop = () => controller.abort(signal.reason);
    signal.addEventListener("abort", stop);
    const noAnswer = (): Setback => {
      const reason = `The tool gave no answer within ${Math.round(timeoutMs / 1000)} s.`;
      return { status: "retry", cause: "timeout", reason };
    };
    const cancel = this.#clock.timer(timeoutMs, () => controller.abort(new Error("timeout")));
    try {
      // The call starts inside an async function, so that a synchronous throw is caught like any other.
      const answer = (async () => call(controller.signal))();
      const result = await this.#orAbandon(answer, controller.signal);
      // When delivery stops, what the tool has taken still counts; that a call was cut short is no setback.
      if (result === undefined || result.answer.status === "retry") signal.throwIfAborted();
      if (result !== undefined) return result.answer;
      return noAnswer();
    } catch (error) {
      signal.throwIfAborted();
      if (controller.signal.aborted) return noAnswer();
      const reason = `The adapter failed: ${describeFault(error)}`;
      this.#log.error({ fault: describeFault(error), stack: stackOf(error) }, "an adapter threw");
      return { status: "retry", cause: "throw", reason };
    } finally {
      cancel();
      signal.removeEventListener("abort", stop);
    }
  }

  /** The answer, or undefined when the call was aborted and did not end in the grace that it had. */
  #orAbandon<R>(answer: Promise<R>, signal: AbortSignal): Promise<{ answer: R } | undefined> {
    return new Promise((resolve, reject) => {
      let cancel = () => {};
      const abort = () => {
        cancel = this.#clock.timer(this.#times.abortGraceMs, () => {
          this.#abandoned = true;
          resolve(undefined);
        });
      };
      signal.addEventListener("abort", abort, { once: true });
      answer.then((value) => resolve({ answer: value }), reject).finally(() => cancel());
    });
  }
}

/** One line about a thrown value, without what may be a secret in a URL. */
export function describeFault(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text
    .replaceAll(/\/\/[^/@\s]*@/g, "//***@")
    .replaceAll(/\s+/g, " ")
    .slice(0, 300);
}

/** Where it was thrown, without the message. */
function stackOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  return stack.slice(Math.max(0, stack.indexOf("\n    at ")));
}
