/** Turns a call that tells its progress by a callback into a stream of messages. */
import type { Progress } from "@pipekit/proto";

/** Progress is told this often at most. */
const EVERY_MS = 250;

export type Told<T> =
  | { readonly kind: "progress"; readonly progress: Progress }
  | { readonly kind: "answer"; readonly answer: T };

/** Yields the latest progress now and then, and the answer last; throws what `work` throws. */
export async function* telling<T>(
  work: (onProgress: (progress: Progress) => void) => Promise<T>,
): AsyncGenerator<Told<T>> {
  let latest: Progress | undefined;
  let wake: () => void = () => undefined;
  const working = work((progress) => {
    latest = progress;
    wake();
  });
  let done = false;
  const end = (): void => {
    done = true;
    wake();
  };
  working.then(end, end);
  let toldAt = Number.NEGATIVE_INFINITY;
  while (!done) {
    const left = toldAt + EVERY_MS - performance.now();
    if (latest !== undefined && left <= 0) {
      const progress = latest;
      latest = undefined;
      toldAt = performance.now();
      yield { kind: "progress", progress };
      continue;
    }
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (latest !== undefined) timer = setTimeout(resolve, left);
    });
    clearTimeout(timer);
  }
  yield { kind: "answer", answer: await working };
}
