/**
 * Days of storing, tagging, pinning and collecting at once, with requests that fail, are late or come after they failed,
 * and processes that die. `PKX_FAULT_ROUNDS` sets how many days are drawn, `PKX_FAULT_SEED` the first.
 */
import { expect, test } from "vitest";
import { never } from "../contract/registry-harness.ts";
import { seeded } from "../support/random.ts";
import { orderByChance, type Weather } from "./checking/explore.ts";
import { SLOW } from "./checking/mutations.ts";
import { type Part, plannedCollector, scene, storesAndTags, tags } from "./checking/scenes.ts";
import { storm } from "./checking/storm.ts";

const ROUNDS = Number(process.env["PKX_FAULT_ROUNDS"] ?? 120);
const FIRST_SEED = Number(process.env["PKX_FAULT_SEED"] ?? 1);
const HOUR_MS = 3_600_000;

/** From calm to rough, by the seed. */
function weather(seed: number): Weather {
  return {
    failure: seed % 3 === 0 ? 0 : 0.03,
    death: seed % 2 === 0 ? 0 : 0.002,
    delay: seed % 5 === 0 ? 0.3 : 0.02,
    slowMs: [0, 5_000, 20_000, 180_000][seed % 4] ?? 0,
  };
}

test("nothing that is referred to or young ever goes", { timeout: HOUR_MS }, async () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed++) {
    const random = seeded(seed);
    const failure = await orderByChance(await storm(random), random, weather(seed));
    expect(failure && { seed, what: failure.what, steps: failure.steps.slice(-60) }).toBeUndefined();
  }
});

test.each(Object.entries(SLOW))("the checker finds that %s", async (_, flaw) => {
  let found: string | undefined;
  let seed = 0;
  const collectors = [await plannedCollector(false), await plannedCollector(true)] as const;
  while (found === undefined && seed < 20_000) {
    const random = seeded(++seed);
    const remains = seed % 2 === 0;
    const late =
      (part: Part): Part =>
      async (self, hash, stage) => {
        await self.parts.clock.wait(random() * flaw.startWithinMs, never);
        await part(self, hash, stage);
      };
    const collector = late(remains ? collectors[1] : collectors[0]);
    const parts = { collector, other: late(remains ? storesAndTags : tags) };
    const flaws = { collector: flaw.collectors, other: flaw.holders };
    const duel = await scene(parts, { flaws, tolerant: true, remains });
    found = (await orderByChance(duel, random, flaw.weather))?.what;
  }
  if (process.env["PKX_SHOW"]) console.log(seed, found);
  expect(found).toBeDefined();
});
