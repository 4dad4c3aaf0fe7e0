/** Scenarios on a registry with one old model, told from the point of view of that model. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { expect } from "vitest";
import { collectBatch } from "../../../daemon/registry/collecting/batch.ts";
import { makePlan } from "../../../daemon/registry/collecting/plan.ts";
import { checkPolicy } from "../../../daemon/registry/collecting/policy.ts";
import { never } from "../../contract/registry-harness.ts";
import type { Scenario } from "./explore.ts";
import { brokenHistory, type Promises, violation } from "./invariants.ts";
import { type Flaw, type Participant, participant } from "./participants.ts";
import { settle, World } from "./world.ts";

export const HOUR_MS = 3_600_000;
/** The policy's least age in all scenes. */
export const MIN_AGE_MS = 24 * HOUR_MS;
export const WEIGHTS = "the old model's weights";

export type Wrap = (actor: string, backend: RegistryBackend, world: World) => RegistryBackend;

/** An actor's part: what it does to the old model. Failures that a client would be told of are none of the scene's. */
export type Part = (self: Participant, hash: string, stage: Stage) => Promise<unknown>;

export interface Stage {
  readonly world: World;
  readonly promises: Promises;
}

/** Lets somebody act alone, to the end. */
export async function alone<T>(world: World, work: Promise<T>): Promise<T> {
  let done = false;
  const ended = work.finally(() => {
    done = true;
  });
  ended.catch(() => undefined);
  await settle();
  for (let i = 0; !done; i++) {
    const [step] = world.steps;
    if (step !== undefined) await world.take(step);
    else if (world.nextTimerInMs !== undefined) await world.pass(world.nextTimerInMs);
    else throw new Error("It waits for something that never comes.");
    if (i > 100_000) throw new Error("It does not end.");
  }
  return ended;
}

/** Stores the old model (or, `remains`, what a store that died leaves) and lets all `parts` begin. */
export async function scene(
  parts: Readonly<Record<string, Part>>,
  {
    wrap = (_, backend) => backend,
    flaws = {},
    mortal = Object.keys(parts),
    remains = false,
    tolerant = false,
  }: {
    readonly wrap?: Wrap;
    readonly flaws?: Readonly<Record<string, Flaw | undefined>>;
    readonly mortal?: readonly string[];
    readonly remains?: boolean;
    /** Whether an actor may fail in any way, as requests do. */
    readonly tolerant?: boolean;
  } = {},
): Promise<Scenario> {
  const world = new World();
  const promises: Promises = new Map();
  const stage = { world, promises };
  const hash = await alone(world, participant(world, "setup").store(WEIGHTS));
  if (remains) world.things.delete(`${hash}/metadata.json`);
  await world.pass(2 * MIN_AGE_MS);
  const ends: string[] = [];
  const running = new Set<string>();
  for (const [actor, part] of Object.entries(parts)) {
    const self = participant(world, actor, {
      wrap: (backend) => wrap(actor, backend, world),
      ...flaws[actor],
    });
    running.add(actor);
    void part(self, hash, stage)
      .then(
        () => ends.push(`${actor} is done`),
        (error: { code?: string; message: string }) => ends.push(`${actor}: ${error.code ?? error.message}`),
      )
      .finally(() => running.delete(actor));
  }
  return {
    world,
    mortal,
    check: () => violation(world, promises) ?? ends.find((end) => !tolerant && !EXPECTED.test(end)),
    atEnd: async () => {
      const hung = [...running].find((actor) => !world.isDead(actor));
      if (hung !== undefined) return `${hung} waits for ever`;
      return atRest(world, promises);
    },
  };
}

/** Who stores, tags and pins is told of a model that went, or of a lease that could not be renewed; nothing else fails. */
const EXPECTED = /^\w+( is done|: (REF_NOT_FOUND|TAG_CONFLICT|REGISTRY_UNAVAILABLE))$/;

/** Days later: a collection must find nothing in its way and leave what is referred to, and nothing else. */
export async function atRest(world: World, promises: Promises): Promise<string | undefined> {
  for (const name of ["prod", "stage"]) {
    const broken = brokenHistory(world, name);
    if (broken !== undefined) return broken;
  }
  promises.clear();
  await world.pass(3 * MIN_AGE_MS);
  await alone(world, participant(world, "cleaner").gc(MIN_AGE_MS / 60_000));
  const wrong = violation(world, promises);
  if (wrong !== undefined) return `after the last collection: ${wrong}`;
  const referred = new Set(
    world.keys("_tags/").map((key) => world.things.get(key)?.bytes.toString().split("\n")[0]),
  );
  for (const key of world.keys("_pins/")) referred.add(key.slice(6, 70));
  for (const key of world.things.keys()) {
    const [folder = ""] = key.split("/");
    if (folder === "_leases" || folder === "_gc") return `${key} is left`;
    if (!folder.startsWith("_") && !referred.has(folder)) return `${key} is left, and nothing refers to it`;
  }
  return undefined;
}

/** Stores the old model again; the promise begins when the call returns. */
export const storesAgain: Part = async (self, _hash, { world, promises }) => {
  const stored = await self.store(WEIGHTS);
  promises.set(stored, world.nowMs + MIN_AGE_MS);
};
export const storesAndTags: Part = (self) => self.store(WEIGHTS, "prod");
export const tags: Part = (self, hash) => self.tag("prod", hash);
export const pins: Part = (self, hash) => self.pin(hash);
export const collects: Part = (self) => self.gc(MIN_AGE_MS / 60_000);

/** Collects by a plan made before anybody else began: the plan is a guess, the batch must hold by itself. */
export async function plannedCollector(remains = false): Promise<Part> {
  // The plan is the same for each order: the model's hash and times are.
  const world = new World();
  const setup = participant(world, "setup");
  const hash = await alone(world, setup.store(WEIGHTS));
  if (remains) world.things.delete(`${hash}/metadata.json`);
  await world.pass(2 * MIN_AGE_MS);
  const minAgeUs = MIN_AGE_MS * 1000;
  const policy = checkPolicy({ keepLast: 0, minAgeUs, keepMoves: 0, keepMovedUs: 0, keepMetadataJson: [] });
  const parts = participant(world, "planner").parts;
  const plan = await alone(
    world,
    makePlan(parts, policy, world.nowMs * 1000, never, () => undefined),
  );
  expect(plan.candidates.map((candidate) => candidate.hash)).toEqual([hash]);
  return (self) => collectBatch(self.parts, plan, plan.candidates, "collector", never);
}
