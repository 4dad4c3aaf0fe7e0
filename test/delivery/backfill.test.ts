import { expect, test } from "vitest";
import { numbers, Room } from "./room.ts";

const OLD = "fake:a/x";
const NEW = "fake:b/x";

test("a sink added to a done run gets everything from the start, and the old one nothing again", async () => {
  const room = new Room();
  await room.delivery.start();
  await room.start("r", [OLD]);
  await room.log("r", 250, 2);
  await room.end("r");
  await room.untilState("done", ["r", OLD]);
  await room.clock.flush();
  const calls = room.tracker.calls.length;
  for (let round = 0; round < 3; round++) {
    await room.delivery.addSinks("r", [OLD, NEW]);
    await room.untilState("done", ["r", NEW]);
    await room.clock.flush();
  }
  expect(room.tracker.values("r", NEW)).toEqual(numbers(250));
  expect(room.tracker.values("r", OLD)).toEqual(numbers(250));
  expect(room.tracker.calls.slice(calls).every(({ spec }) => spec === NEW)).toBe(true);
  expect(room.tracker.calls.filter(({ spec, name }) => spec === NEW && name === "finish")).toHaveLength(1);
  expect(room.journal.faults).toEqual([]);
});

test("a sink added to a running run that was known to have none gets what was and what comes", async () => {
  const room = new Room();
  await room.delivery.start();
  await room.start("r", []);
  await room.log("r", 30);
  await room.clock.advance(1000);
  const changed: string[] = [];
  room.delivery.onChange((runId) => changed.push(runId));
  await room.delivery.addSinks("r", [NEW]);
  expect(changed).toContain("r");
  await room.clock.until(() => room.entry("r", NEW).pointsSent === 30);
  await room.log("r", 20);
  await room.end("r");
  await room.untilState("done", ["r", NEW]);
  expect(room.tracker.values("r", NEW)).toEqual(numbers(50));
});

test("adding sinks while others of the run end leaves each its one loop", async () => {
  const room = new Room();
  await room.delivery.start();
  const specs = numbers(20).map((i) => `fake:h${i}/x`);
  await room.start("r", [OLD]);
  await room.log("r", 40);
  await room.end("r");
  await Promise.all(specs.map((spec) => room.delivery.addSinks("r", [OLD, spec])));
  await room.untilState("done", ...[OLD, ...specs].map((spec): [string, string] => ["r", spec]));
  await room.clock.flush();
  for (const spec of [OLD, ...specs]) expect(room.tracker.values("r", spec)).toEqual(numbers(40));
  expect(room.journal.faults).toEqual([]);
  expect(room.tracker.openAdapters).toBe(0);
});

test("what was read of a sink before it was done does not begin it anew", async () => {
  const room = new Room();
  await room.delivery.start();
  await room.start("r", [OLD], "{}");
  await room.log("r", 40);
  await room.clock.advance(1000);
  const read = room.journal.sinks.bind(room.journal);
  room.journal.sinks = async (runId) => {
    const stale = await read(runId);
    await room.untilState("done", ["r", OLD]);
    await room.clock.flush();
    return stale;
  };
  await room.end("r");
  await room.delivery.addSinks("r", [NEW]);
  await room.untilState("done", ["r", NEW]);
  const finishes = room.tracker.calls.filter(({ name, spec }) => name === "finish" && spec === OLD);
  expect(finishes).toHaveLength(1);
  expect(room.tracker.values("r", OLD)).toEqual(numbers(40));
});

test("a sink that refused the run is asked again at once when it is added again", async () => {
  const room = new Room();
  let refuses = true;
  room.tracker.answer = ({ name }) =>
    name === "open" && refuses ? { status: "permanent", reason: "No such project." } : "ok";
  await room.delivery.start();
  await room.start("r", [OLD]);
  await room.log("r", 3);
  await room.end("r");
  await room.untilState("refused", ["r", OLD]);
  refuses = false;
  await room.delivery.addSinks("r", [OLD]);
  expect(room.entry("r", OLD).state).not.toBe("refused");
  await room.clock.advance(1000);
  expect(room.entry("r", OLD).state).toBe("done");
});
