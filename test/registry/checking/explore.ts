/**
 * Runs a scenario in every order of its requests that makes a difference, or in orders drawn by chance.
 *
 * Every order: depth first with sleep sets (Godefroid). Two requests commute when neither touches what the other does or
 * both only read, and when they are of different actors; of orders that differ in such pairs only, one is run.
 */
import { type Step, settle, type World } from "./world.ts";

/** A scenario, begun anew for each order: what has been asked for waits in the world. */
export interface Scenario {
  readonly world: World;
  /** Actors that may be killed at any moment, at most one an order. */
  readonly mortal: readonly string[];
  /** After each step: what is wrong. */
  check(): string | undefined;
  /** When nobody has anything to do any more. */
  atEnd(): Promise<string | undefined>;
}

interface Choice {
  readonly id: string;
  readonly actor: string;
  readonly step: Step | undefined;
}

interface Frame {
  readonly choices: Choice[];
  readonly asleep: readonly Choice[];
  readonly tried: Choice[];
}

export interface Findings {
  readonly orders: number;
  /** What went wrong first, and the steps that led there. */
  readonly failure: { readonly what: string; readonly steps: readonly string[] } | undefined;
}

export async function everyOrder(
  begin: () => Promise<Scenario>,
  maxOrders = Number.POSITIVE_INFINITY,
): Promise<Findings> {
  const frames: Frame[] = [];
  for (let orders = 1; ; orders++) {
    const failure = await runOrder(await begin(), frames);
    if (failure !== undefined) return { orders, failure };
    while (frames.length > 0 && !nextChoice(frames.at(-1))) frames.pop();
    if (frames.length === 0) return { orders, failure: undefined };
    if (orders >= maxOrders) throw new Error(`There are more than ${maxOrders} orders.`);
  }
}

/** Leaves the first choice behind; false when it was the last. */
function nextChoice(frame: Frame | undefined): boolean {
  const done = frame?.choices.shift();
  if (done !== undefined) frame?.tried.push(done);
  return (frame?.choices.length ?? 0) > 0;
}

/** Follows the frames, then goes on as it comes, adding frames. */
async function runOrder(scenario: Scenario, frames: Frame[]): Promise<Findings["failure"]> {
  const { world } = scenario;
  const steps: string[] = [];
  let asleep: readonly Choice[] = [];
  let killed = false;
  await settle();
  for (let depth = 0; ; depth++) {
    while (world.steps.length === 0 && world.nextTimerInMs !== undefined) {
      steps.push(`${world.nextTimerInMs} ms pass`);
      await world.pass(world.nextTimerInMs);
      asleep = [];
    }
    if (world.steps.length === 0) break;
    let frame = frames[depth];
    if (frame === undefined) {
      const possible = choicesIn(scenario, killed).filter(
        ({ id }) => !asleep.some((other) => other.id === id),
      );
      // Every order from here on has been run in another place.
      if (possible.length === 0) return undefined;
      frame = { choices: possible, asleep, tried: [] };
      frames.push(frame);
    }
    const [choice] = frame.choices;
    if (choice === undefined) throw new Error("no choice");
    // Names that are drawn by chance differ from run to run.
    const asOfNow = (other: Choice): Choice => ({
      ...other,
      step: other.step && world.steps.find(({ id }) => id === other.id),
    });
    const now = asOfNow(choice);
    if ((now.step === undefined) !== (choice.step === undefined))
      throw new Error(`${choice.id} has not come up again.`);
    asleep = [...frame.asleep, ...frame.tried].map(asOfNow).filter((other) => commute(other, now));
    steps.push(now.step?.label ?? choice.id);
    if (now.step !== undefined) await world.take(now.step);
    else {
      killed = true;
      world.kill(choice.actor);
    }
    const what = scenario.check();
    if (what !== undefined) return { what, steps };
  }
  const what = await scenario.atEnd();
  return what === undefined ? undefined : { what, steps };
}

function choicesIn({ world, mortal }: Scenario, killed: boolean): Choice[] {
  const steps: Choice[] = world.steps.map((step) => ({ id: step.id, actor: step.actor, step }));
  const busy = mortal.filter((actor) => steps.some((choice) => choice.actor === actor));
  const kills = killed ? [] : busy.map((actor) => ({ id: `${actor} dies`, actor, step: undefined }));
  return [...steps, ...kills];
}

function commute(a: Choice, b: Choice): boolean {
  if (a.actor === b.actor) return false;
  // Only one may die.
  if (a.step === undefined || b.step === undefined) return a.step !== undefined || b.step !== undefined;
  if (!a.step.writes && !b.step.writes) return true;
  return !touches(a.step, b.step) && !touches(b.step, a.step);
}

function touches(a: Step, b: Step): boolean {
  return a.lists ? b.key.startsWith(a.key) : a.key === b.key;
}

/** Chances of what may happen at a step, each between 0 and 1. */
export interface Weather {
  /** A request fails: done, not done, or done later. */
  readonly failure: number;
  /** An actor dies. */
  readonly death: number;
  /** Time passes while requests are on their way. */
  readonly delay: number;
  /** One actor's requests take nearly so long each, milliseconds; 0 for none. */
  readonly slowMs: number;
}

/** The longest that a request is on its way: what the protocol allows for. */
export const LONGEST_REQUEST_MS = 180_000;

/** Runs one order drawn by `random` (at least 0, below 1). */
export async function orderByChance(
  scenario: Scenario,
  random: () => number,
  weather: Weather,
): Promise<Findings["failure"]> {
  const { world, mortal } = scenario;
  const steps: string[] = [];
  const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)];
  const slow = weather.slowMs === 0 ? undefined : pick(mortal);
  const leftMs = (): number =>
    Math.min(...world.steps.map(({ askedAtMs }) => askedAtMs + LONGEST_REQUEST_MS - world.nowMs));
  const pass = async (ms: number): Promise<void> => {
    steps.push(`${Math.ceil(ms)} ms pass`);
    await world.pass(Math.ceil(ms));
  };
  await settle();
  for (;;) {
    const [oldest] = world.steps;
    const quick = world.steps.filter(({ actor }) => actor !== slow);
    const left = leftMs();
    if (oldest === undefined) {
      const next = world.nextTimerInMs;
      if (next === undefined) break;
      await pass(next);
    } else if (random() < weather.delay && left > 1000) {
      await pass(random() * left);
    } else if (quick.length === 0 && random() < 0.9 && left > 1000) {
      await pass(Math.min(weather.slowMs, left - 500) * (0.8 + 0.2 * random()));
    } else if (random() < weather.death) {
      const actor = pick(mortal.filter((one) => !world.isDead(one)));
      if (actor === undefined) continue;
      const requests = random() < 0.5 ? "lost" : "sent";
      steps.push(`${actor} dies, its requests are ${requests}`);
      world.kill(actor, requests);
    } else {
      const step = left < 1000 ? oldest : (pick(quick) ?? pick(world.steps) ?? oldest);
      if (random() < weather.failure && !step.id.endsWith("late")) {
        const effect = pick(["now", "later", "never"] as const) ?? "now";
        steps.push(`${step.label} fails (done ${effect})`);
        await world.fail(step, effect);
      } else {
        steps.push(step.label);
        await world.take(step);
      }
    }
    const what = scenario.check();
    if (what !== undefined) return { what, steps };
  }
  const what = await scenario.atEnd();
  return what === undefined ? undefined : { what, steps };
}
