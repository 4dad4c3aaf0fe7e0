import { PipekitError } from "@pipekit/proto";

/** What came of asking: an answer, a refusal, or nothing in time. */
export type Answer<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "failure"; readonly failure: PipekitError }
  | { readonly kind: "late" };

/** Asks, and waits no longer than so many milliseconds. Throws the signal's reason, nothing else. */
export async function within<T>(
  milliseconds: number,
  signal: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<Answer<T>> {
  signal.throwIfAborted();
  const over = new AbortController();
  const { promise: ended, resolve: end } = Promise.withResolvers<Answer<T>>();
  const stop = () => {
    end({ kind: "late" });
    over.abort();
  };
  const timer = setTimeout(stop, milliseconds);
  signal.addEventListener("abort", stop, { once: true });
  const asked = ask(over.signal).then(
    (value): Answer<T> => ({ kind: "value", value }),
    (error: unknown): Answer<T> =>
      error instanceof PipekitError ? { kind: "failure", failure: error } : { kind: "late" },
  );
  try {
    const answer = await Promise.race([asked, ended]);
    signal.throwIfAborted();
    return answer;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
