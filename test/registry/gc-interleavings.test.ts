/** No order of requests of those who store, tag, pin and collect breaks a promise, whoever dies in the middle. */
import { describe, expect, test } from "vitest";
import { everyOrder, type Findings } from "./checking/explore.ts";
import { COLLECTOR, HOLDER, type Mutation, unanswered } from "./checking/mutations.ts";
import {
  type Part,
  pins,
  plannedCollector,
  scene,
  storesAgain,
  storesAndTags,
  tags,
} from "./checking/scenes.ts";

/** What somebody does to a model that a collector is about to delete, and whether its metadata.json is gone already. */
const PARTS: readonly [what: string, part: Part, remains: boolean][] = [
  ["tags it", tags, false],
  ["pins it", pins, false],
  ["stores it again", storesAgain, false],
  ["stores it again and tags it", storesAndTags, false],
  ["stores it where its remains lie", storesAgain, true],
];

async function explore(other: Part, remains: boolean, mutant = "", mutation?: Mutation): Promise<Findings> {
  const collector = await plannedCollector(remains);
  const wrap = (actor: string, backend: Parameters<Mutation>[0]) =>
    actor === mutant && mutation !== undefined ? mutation(backend) : backend;
  return everyOrder(() => scene({ collector, other }, { wrap, remains, tolerant: mutant !== "" }), 100_000);
}

describe("every order of the requests of a collector and one that", () => {
  test.each(PARTS)("%s", async (_, other, remains) => {
    const { orders, failure } = await explore(other, remains);
    expect(failure).toBeUndefined();
    expect(orders).toBeGreaterThan(100);
  });

  test.each(PARTS)("%s, when a deletion is not answered and comes late", async (_, other, remains) => {
    const { failure } = await explore(other, remains, "collector", unanswered);
    expect(failure).toBeUndefined();
  });
});

describe("the checker finds", () => {
  const mutants = [
    ...Object.entries(COLLECTOR).map((entry) => ["collector", ...entry] as const),
    ...Object.entries(HOLDER).map((entry) => ["other", ...entry] as const),
  ];
  test.each(mutants)("%s: %s", async (mutant, _, mutation) => {
    const found: string[] = [];
    for (const [what, other, remains] of PARTS) {
      const { failure } = await explore(other, remains, mutant, mutation);
      if (failure !== undefined) found.push(`${what}: ${failure.what}`);
      if (found.length > 0) break;
    }
    expect(found).not.toEqual([]);
  });
});
