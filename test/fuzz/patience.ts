/** Ends what would go on for ever. Not a measure of speed: a hostile text must not cost minutes of a core. */

/** Seconds of this process's CPU time that a piece of work of at most 100 KB may take. */
const MOST_S = 5;

/** Runs it and gives its result. Throws when it took far more than it may. */
export async function soon<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  const before = process.cpuUsage();
  try {
    return await work();
  } finally {
    const { user, system } = process.cpuUsage(before);
    const seconds = (user + system) / 1e6;
    // biome-ignore lint/correctness/noUnsafeFinally: it outweighs any failure of the work itself
    if (seconds > MOST_S) throw new Error(`${what} took ${seconds.toFixed(1)} s of CPU.`);
  }
}
