import type { Tags } from "./tags.ts";

/** Tags of other processes show in Stat and List after at most this time. */
const TAG_CACHE_MS = 1000;

/** The names that point to a hash. */
export class TagNames {
  readonly #tags: Tags;
  #cache: { readonly until: number; readonly byHash: Promise<Map<string, string[]>> } | undefined;

  constructor(tags: Tags) {
    this.#tags = tags;
  }

  /** The next question is answered from the tags themselves. */
  forget(): void {
    this.#cache = undefined;
  }

  /** Sorted. */
  async of(hash: string, signal: AbortSignal): Promise<string[]> {
    if (this.#cache === undefined || this.#cache.until < performance.now()) {
      const byHash = this.#tags.all(signal).then((hashes) => {
        const names = new Map<string, string[]>();
        for (const [name, pointed] of hashes) names.set(pointed, [...(names.get(pointed) ?? []), name]);
        return names;
      });
      this.#cache = { until: performance.now() + TAG_CACHE_MS, byHash };
      byHash.catch(() => {
        this.#cache = undefined;
      });
    }
    return (await this.#cache.byHash).get(hash)?.sort() ?? [];
  }
}
