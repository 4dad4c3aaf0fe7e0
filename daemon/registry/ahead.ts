/** Works on items of a stream before their turn, so that the way to a server is gone once and not for each of them. */

/** Results in the order of the items; at most `atOnce()` items are worked on at one time. Throws what `work` throws. */
export async function* ahead<A, B>(
  items: AsyncIterable<A>,
  work: (item: A) => Promise<B>,
  atOnce: () => number,
): AsyncGenerator<B> {
  const running: Promise<B>[] = [];
  const source = items[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      while (!ended && running.length < Math.max(1, atOnce())) {
        const next = await source.next();
        ended = next.done === true;
        if (next.done) break;
        const working = work(next.value);
        // It is looked at in its turn, or never.
        working.catch(() => undefined);
        running.push(working);
      }
      const first = running.shift();
      if (first === undefined) return;
      yield await first;
    }
  } finally {
    await source.return?.();
  }
}
