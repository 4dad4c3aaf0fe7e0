/** A collector is killed while its deletion of metadata.json is on its way: nobody relies on the model before that has come. */
import { expect, test } from "vitest";
import { LONGEST_REQUEST_MS } from "./checking/explore.ts";
import { violation } from "./checking/invariants.ts";
import { type Flaw, participant } from "./checking/participants.ts";
import { alone, HOUR_MS } from "./checking/scenes.ts";
import { settle, World } from "./checking/world.ts";

/** What a tagger comes to when the deletion is served as late as it may be, and what is wrong in the end. */
async function outcome(flaw: Flaw): Promise<{ tagged: boolean; wrong: string | undefined }> {
  const world = new World();
  const hash = await alone(world, participant(world, "setup").store("weights"));
  await world.pass(24 * HOUR_MS);
  void participant(world, "gc").gc(30);
  const isDeletion = ({ label }: { label: string }) => label === `gc: remove ${hash}/metadata.json`;
  await settle();
  while (!world.steps.some(isDeletion)) {
    const [step] = world.steps;
    if (step === undefined) throw new Error("The collector deletes nothing.");
    await world.take(step);
  }
  const sentAtMs = world.nowMs;
  world.kill("gc", "sent");

  let tagged: boolean | undefined;
  void participant(world, "tagger", flaw)
    .tag("prod", hash)
    .then(
      () => {
        tagged = true;
      },
      () => {
        tagged = false;
      },
    );
  await settle();
  while (tagged === undefined || world.steps.some(isDeletion)) {
    const isDue = world.nowMs - sentAtMs >= LONGEST_REQUEST_MS;
    const step = world.steps.find((candidate) => !isDeletion(candidate) || isDue);
    if (step !== undefined) await world.take(step);
    else await world.pass(Math.min(world.nextTimerInMs ?? 1000, 1000));
  }
  return { tagged, wrong: violation(world, new Map()) };
}

test("a tagger waits until no deletion can come any more, and is told that the model is gone", async () => {
  expect(await outcome({})).toEqual({ tagged: false, wrong: undefined });
});

test("the test finds a tagger that does not wait for it", async () => {
  const { tagged, wrong } = await outcome({ times: { goneMs: 0 } });
  expect(tagged).toBe(true);
  expect(wrong).toContain("which is gone");
});
