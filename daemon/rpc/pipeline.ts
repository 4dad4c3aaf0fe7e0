/** A task whose turn comes after the one before it, and whose result may take longer than its turn. */
export interface Turn<R> {
  /** Resolves when the next item may take its turn. */
  readonly taken: Promise<unknown>;
  readonly result: Promise<R>;
}

/**
 * Maps a stream with up to `limit` items in flight; results come in the order of the items.
 * `begin` is called in order, each call after the turn of the item before was taken.
 */
export async function* pipelined<Q, R>(
  items: AsyncIterable<Q>,
  limit: number,
  begin: (item: Q) => Turn<R>,
): AsyncGenerator<R> {
  const results: Promise<R>[] = [];
  let wake = Promise.withResolvers<void>();
  let ended = false;
  let failure: unknown;
  const signalChange = () => {
    wake.resolve();
    wake = Promise.withResolvers<void>();
  };
  const read = async () => {
    for await (const item of items) {
      while (results.length >= limit) await wake.promise;
      const turn = attempt(begin, item);
      // The consumer awaits it later; until then a rejection must not count as unhandled.
      turn.result.catch(() => undefined);
      results.push(turn.result);
      signalChange();
      await turn.taken;
    }
  };
  const reading = read()
    .catch((error: unknown) => {
      failure = error;
    })
    .finally(() => {
      ended = true;
      signalChange();
    });
  while (true) {
    const next = results[0];
    if (next !== undefined) {
      const result = await next;
      results.shift();
      signalChange();
      yield result;
    } else if (ended) {
      break;
    } else {
      await wake.promise;
    }
  }
  await reading;
  if (failure !== undefined) throw failure;
}

/**
 * A throw of `begin` is a failed result like any other. Out of the loop over a call's requests it would destroy the
 * call, and the client would wait for its status for ever.
 */
function attempt<Q, R>(begin: (item: Q) => Turn<R>, item: Q): Turn<R> {
  try {
    return begin(item);
  } catch (error) {
    return { taken: Promise.resolve(), result: Promise.reject(error) };
  }
}
