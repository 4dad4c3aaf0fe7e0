import { setTimeout as sleep } from "node:timers/promises";
import type { ClientReadableStream } from "@grpc/grpc-js";
import { answers, isUnavailable } from "./calls.ts";
import type { Connection } from "./connection.ts";

const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 2_000;

/** A stream of answers with an end. When the daemon is gone before the first answer, it is found again once. */
export async function* finite<A>(
  connection: Connection,
  open: () => ClientReadableStream<A>,
  signal: AbortSignal | undefined,
): AsyncGenerator<A> {
  const { generation } = connection;
  let begun = false;
  try {
    for await (const answer of answers(open, signal)) {
      begun = true;
      yield answer;
    }
    return;
  } catch (error) {
    if (begun || !isUnavailable(error)) throw error;
  }
  await connection.ready(generation, signal);
  yield* answers(open, signal);
}

/** The pages of a list. `ask` asks for one by its token, which is empty for the first. */
export async function* pages<P extends { readonly nextPageToken: string }>(
  ask: (pageToken: string) => Promise<P>,
): AsyncGenerator<P> {
  let pageToken = "";
  do {
    const page = await ask(pageToken);
    yield page;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}

/**
 * A stream of answers without an end: when the daemon goes away, `open` is called anew on the next connection, and
 * after a failure that `passes`, on the same one. Other failures are thrown.
 */
export async function* resuming<A>(
  connection: Connection,
  open: () => ClientReadableStream<A>,
  signal: AbortSignal | undefined,
  passes: (error: unknown) => boolean = () => false,
): AsyncGenerator<A> {
  let pause = 0;
  for (;;) {
    let { generation } = connection;
    try {
      for await (const answer of answers(open, signal)) {
        pause = 0;
        yield answer;
      }
    } catch (error) {
      if (passes(error)) generation -= 1;
      else if (!isUnavailable(error)) throw error;
    }
    pause = await reconnect(connection, generation, pause, signal);
  }
}

/** Waits for the next connection; returns the pause to make when it breaks again at once. */
async function reconnect(
  connection: Connection,
  generation: number,
  firstPause: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  let pause = firstPause;
  for (;;) {
    if (pause > 0)
      await sleep(pause, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    signal?.throwIfAborted();
    pause = Math.min(Math.max(pause * 2, RETRY_MIN_MS), RETRY_MAX_MS);
    try {
      await connection.ready(generation, signal);
      return pause;
    } catch (error) {
      if (!isUnavailable(error) || connection.closed) throw error;
    }
  }
}
