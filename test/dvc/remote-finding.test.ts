/** Finding many objects by few listings: the same answer as asking for each, and never more requests. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { findInListings, type Listed } from "../../adapters/dvc/remotes/finding.ts";
import { never } from "./remote-room.ts";

/** A bucket with these keys, whose pages are short. */
function bucketOf(
  keys: readonly string[],
  page: number,
): Listed & { readonly pages: () => number; readonly heads: () => number } {
  const sorted = [...new Set(keys)].sort();
  let [pages, heads] = [0, 0];
  return {
    pages: () => pages,
    heads: () => heads,
    async list(after) {
      pages++;
      const behind = sorted.filter((key) => key > after);
      const objects = behind.slice(0, page).map((key) => ({ key, size: key.length }));
      return { objects, isLast: behind.length < page };
    },
    async size(key) {
      heads++;
      return sorted.includes(key) ? key.length : undefined;
    },
  };
}

const key = fc
  .tuple(fc.constantFrom("files/md5/", ""), fc.integer({ min: 0, max: 4000 }), fc.constantFrom("", ".dir"))
  .map(([layout, number, end]) => {
    const text = number.toString(16).padStart(4, "0");
    return `${layout}${text.slice(0, 2)}/${text.slice(2)}${end}`;
  });

test("it finds what is there, with no more requests than keys", async () => {
  const options = [
    fc.array(key, { maxLength: 600 }),
    fc.array(key, { minLength: 1, maxLength: 300 }),
  ] as const;
  await fc.assert(
    fc.asyncProperty(
      ...options,
      fc.integer({ min: 5, max: 200 }),
      fc.integer({ min: 1, max: 8 }),
      async (there, wanted, page, workers) => {
        const bucket = bucketOf(there, page);
        const found = await findInListings(bucket, wanted, workers, never);
        const expected = new Set(wanted.filter((one) => there.includes(one)));
        expect(new Set(found.keys())).toEqual(expected);
        const distinct = new Set(wanted).size;
        expect(bucket.pages() + bucket.heads()).toBeLessThanOrEqual(distinct);
      },
    ),
    { numRuns: 200 },
  );
});

test("where many lie together a page settles them all", async () => {
  const all = Array.from({ length: 5000 }, (_, i) => `files/md5/${i.toString(16).padStart(6, "0")}`);
  const bucket = bucketOf(all, 1000);
  expect((await findInListings(bucket, all, 4, never)).size).toBe(5000);
  expect(bucket.pages()).toBeLessThanOrEqual(9);
  expect(bucket.heads()).toBe(0);
});

test("where few are wanted of many they are asked for one by one after a page", async () => {
  const all = Array.from({ length: 20_000 }, (_, i) => `files/md5/${i.toString(16).padStart(6, "0")}`);
  const bucket = bucketOf(all, 1000);
  const wanted = all.filter((_, i) => i % 500 === 0);
  expect((await findInListings(bucket, wanted, 4, never)).size).toBe(40);
  expect(bucket.pages()).toBe(1);
  expect(bucket.heads()).toBeLessThan(40);
});
