/** Listings by pages go on where they stopped, with no older view than that of their first page. */
import { expect, test } from "vitest";
import { Walks } from "../../adapters/local/walks.ts";
import { never } from "../contract/registry-harness.ts";

async function* walkOf(keys: readonly string[], ready: Promise<void> = Promise.resolve()) {
  await ready;
  yield* keys;
}

test("a page is followed by what its folder held then", async () => {
  const walks = new Walks();
  expect(await walks.page("n", "", 2, () => walkOf(["a", "b", "c"]), never)).toEqual(["a", "b"]);
  expect(await walks.page("n", "b", 2, () => walkOf(["anew"]), never)).toEqual(["c"]);
  expect(await walks.page("n", "b", 2, () => walkOf(["anew"]), never)).toEqual(["anew"]);
});

test("a slow walk that began earlier does not take the place of a later one", async () => {
  const walks = new Walks();
  const gate = Promise.withResolvers<void>();
  const slow = walks.page("n", "", 2, () => walkOf(["a", "b", "c"], gate.promise), never);
  await walks.page("n", "", 2, () => walkOf(["a", "b", "c", "new"]), never);
  gate.resolve();
  await slow;
  const rest = await walks.page("n", "b", 2, () => walkOf(["anew"]), never);
  expect(rest).toEqual(["c", "new"]);
});
