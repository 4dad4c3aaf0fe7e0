/** Work on one thing, one after the other, of the whole process: two backends of one registry share their turns. */

const last = new Map<string, Promise<void>>();

/** Runs `work` when all work that asked before for a turn at `thing` has ended. */
export async function inTurn<T>(thing: string, work: () => Promise<T>): Promise<T> {
  const before = last.get(thing);
  const { promise, resolve } = Promise.withResolvers<void>();
  last.set(thing, promise);
  await before;
  try {
    return await work();
  } finally {
    resolve();
    if (last.get(thing) === promise) last.delete(thing);
  }
}
