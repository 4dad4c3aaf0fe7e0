/** Many actors who store, tag, pin and collect for days, each with a life drawn by chance. */
import type { Scenario } from "./explore.ts";
import { type Promises, violation } from "./invariants.ts";
import { type Flaw, type Participant, participant } from "./participants.ts";
import { alone, atRest, HOUR_MS } from "./scenes.ts";
import { World } from "./world.ts";

/** The least age of all collections in a storm. */
const MIN_AGE_MIN = 30;
const MODELS = ["one", "two", "three"];
const NAMES = ["prod", "stage"];
const DEEDS = 8;
const ACTORS = ["a", "b", "c", "gc1", "gc2"];

export async function storm(
  random: () => number,
  flaws: { readonly collectors?: Flaw; readonly holders?: Flaw } = {},
): Promise<Scenario> {
  const world = new World();
  const promises: Promises = new Map();
  const known: string[] = [];
  const setup = participant(world, "setup");
  for (const weights of MODELS) known.push(await alone(world, setup.store(weights)));
  await world.pass(24 * HOUR_MS);
  const running = new Set<string>();
  for (const actor of ACTORS) {
    const collects = actor.startsWith("gc");
    const self = participant(world, actor, collects ? flaws.collectors : flaws.holders);
    const deed = collects
      ? () => self.gc(MIN_AGE_MIN)
      : () => randomDeed(self, random, known, world, promises);
    running.add(actor);
    void live(world, actor, random, deed).finally(() => running.delete(actor));
  }
  return {
    world,
    mortal: ACTORS,
    check: () => violation(world, promises),
    atEnd: async () => {
      const hung = [...running].find((actor) => !world.isDead(actor));
      return hung === undefined ? atRest(world, promises) : `${hung} waits for ever`;
    },
  };
}

async function live(
  world: World,
  actor: string,
  random: () => number,
  deed: () => Promise<unknown>,
): Promise<void> {
  const clock = world.clock(actor);
  for (let i = 0; i < DEEDS; i++) {
    // Mostly at once, so that deeds meet; sometimes long enough for all that waits to be dead or old.
    const pauseMs = random() < 0.5 ? random() * 2000 : random() * 2 * HOUR_MS;
    await clock.wait(Math.ceil(pauseMs), new AbortController().signal);
    // Whatever fails is told to somebody; what was promised before must hold.
    await deed().catch(() => undefined);
  }
}

async function randomDeed(
  self: Participant,
  random: () => number,
  known: readonly string[],
  world: World,
  promises: Promises,
): Promise<void> {
  const [weights, hash, name] = [pick(random, MODELS), pick(random, known), pick(random, NAMES)];
  const dice = random();
  if (dice < 0.3) {
    // Its age counts from a moment between the beginning and the end of the call.
    const begunAtMs = world.nowMs;
    const stored = await self.store(weights, random() < 0.3 ? name : "");
    const before = promises.get(stored) ?? 0;
    promises.set(stored, Math.max(before, begunAtMs + MIN_AGE_MIN * 60_000));
  } else if (dice < 0.6) await self.tag(name, hash);
  else if (dice < 0.7) await self.rollback(name);
  else if (dice < 0.8) await self.untag(name);
  else if (dice < 0.9) await self.pin(hash);
  else await self.unpin(hash);
}

function pick<T>(random: () => number, items: readonly T[]): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error("There is nothing to pick from.");
  return item;
}
