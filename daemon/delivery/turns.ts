import type { Clock } from "./clock.ts";
import type { Answer, Caller, Job, Outcome } from "./exchange.ts";

/** Lets at most `count` tasks go on at one time, in the order in which they asked. */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** Whether others wait for what is taken. */
  get isWanted(): boolean {
    return this.#waiting.length > 0;
  }

  /** Waits for a turn; returns the function that passes it on. `wait` is called first when that is not now. */
  async take(signal?: AbortSignal, wait?: () => void): Promise<() => void> {
    const free = this.takeNow();
    if (free !== undefined) return free;
    wait?.();
    await this.#queue(signal);
    return this.#passOnce();
  }

  /** As `take`, where a turn is free now; undefined when none is. */
  takeNow(): (() => void) | undefined {
    if (this.#free === 0) return undefined;
    this.#free--;
    return this.#passOnce();
  }

  /** Runs `task` in its turn. `wait` is called first when that is not now. */
  async run<T>(task: (pass: () => void) => Promise<T>, signal?: AbortSignal, wait?: () => void): Promise<T> {
    const pass = await this.take(signal, wait);
    try {
      return await task(pass);
    } finally {
      pass();
    }
  }

  #passOnce(): () => void {
    let held = true;
    return () => {
      if (held) this.#next();
      held = false;
    };
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }

  #queue(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        const at = this.#waiting.indexOf(enter);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal?.reason);
      };
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiting.push(enter);
    });
  }
}

/**
 * Bounds the calls to one endpoint and gives every run its turn, whatever its backlog. A slow call passes its turn on
 * after a while, so that a hanging run or a long upload holds up no other; a bounded number may do so.
 */
export function takingTurns(
  inner: Caller,
  clock: Clock,
  limits: { concurrentCalls: number; slowCallMs: number; slowCalls: number },
): Caller {
  const turns = new Turns(limits.concurrentCalls);
  let slow = 0;
  return {
    call<R extends Answer>(job: Job<R>, signal: AbortSignal): Promise<Outcome<R>> {
      const task = async (pass: () => void) => {
        let isSlow = false;
        const cancel = clock.timer(limits.slowCallMs, () => {
          if (slow >= limits.slowCalls) return;
          isSlow = true;
          slow++;
          pass();
        });
        try {
          return await inner.call(job, signal);
        } finally {
          cancel();
          if (isSlow) slow--;
        }
      };
      return turns.run(task, signal, () => job.wait?.());
    },
  };
}
