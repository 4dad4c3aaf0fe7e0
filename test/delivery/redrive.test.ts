import { expect, test } from "vitest";
import type { Redriven } from "../../daemon/delivery/index.ts";
import { FAKE_PROPERTIES, type FakeAnswer } from "../support/fake-tracker.ts";
import { numbers, Room } from "./room.ts";

const SPEC = "fake:a/x";
const never = { status: "permanent", reason: "Never." } as const;
const busy = { status: "retry", reason: "Busy." } as const;

/** A run that is done, of whose points the tool refused those that `refuses` names. */
async function roomWithLetters(refuses: (value: number) => boolean, points = 100, running = false) {
  const room = new Room();
  let isStrict = true;
  let answer: FakeAnswer = "ok";
  room.tracker.answer = ({ name, batch }) => {
    if (!isStrict) return name === "send" ? answer : "ok";
    if (name !== "send") return "ok";
    const rejected = batch.flatMap((record, at) =>
      record.kind === "point" && refuses(record.value) ? [at] : [],
    );
    return rejected.length === 0 ? "ok" : { ...never, rejected };
  };
  await room.start("r", [SPEC], "{}");
  await room.log("r", points, 3);
  if (!running) await room.end("r");
  await room.delivery.start();
  await room.untilState(running ? "idle" : "done", ["r", SPEC]);
  await room.clock.flush();
  room.tracker.calls.length = 0;
  const relent = (to: FakeAnswer = "ok") => {
    isStrict = false;
    answer = to;
  };
  return { room, relent };
}

/** Starts a re-drive of all letters; time goes on by the clock alone. */
function redrive(room: Room): { outcome: Redriven | undefined; done: Promise<void> } {
  const result: { outcome: Redriven | undefined; done: Promise<void> } = {
    outcome: undefined,
    done: Promise.resolve(),
  };
  result.done = room.delivery.redrive(room.journal.letters).then((outcome) => {
    result.outcome = outcome;
  });
  return result;
}

async function redriven(room: Room): Promise<Redriven> {
  const result = redrive(room);
  await room.clock.until(() => result.outcome !== undefined);
  if (result.outcome === undefined) throw new Error("no outcome");
  return result.outcome;
}

test("a done run is opened again for its dead letters, which are taken, forgotten and reconciled", async () => {
  const { room, relent } = await roomWithLetters((value) => value >= 10 && value < 40);
  expect(room.journal.letters).toMatchObject([{ points: 30 }]);
  expect(room.entry("r", SPEC)).toMatchObject({ pointsSent: 70, pointsDead: 30, pointsShown: 70 });
  relent();
  expect(await redriven(room)).toEqual({ taken: 1, refused: 0, waiting: 0, pointsTaken: 30 });
  await room.untilState("done", ["r", SPEC]);
  expect(room.tracker.calls.map(({ name }) => name)).toEqual(["open", "send", "finish", "count"]);
  expect(room.tracker.calls[1]?.batch).toHaveLength(30);
  expect(room.tracker.values("r", SPEC).toSorted((a, b) => a - b)).toEqual(numbers(100));
  expect(room.journal.letters).toEqual([]);
  expect(room.entry("r", SPEC)).toMatchObject({
    pointsSent: 100,
    pointsDead: 0,
    pointsShown: 100,
    lastError: "",
  });
  expect(room.journal.faults).toEqual([]);
  await room.clock.flush();
  expect(room.tracker.openAdapters).toBe(0);
});

test("a letter refused again has the new reason, and what was taken of it is gone from it", async () => {
  const { room, relent } = await roomWithLetters((value) => value >= 10 && value < 40);
  relent({ status: "permanent", reason: "Still not these.", rejected: [0, 1, 29] });
  expect(await redriven(room)).toEqual({ taken: 0, refused: 1, waiting: 0, pointsTaken: 27 });
  await room.untilState("done", ["r", SPEC]);
  expect(room.journal.letters).toMatchObject([
    { points: 2, reason: "Still not these." },
    { points: 1, reason: "Still not these." },
  ]);
  expect(room.entry("r", SPEC)).toMatchObject({ pointsSent: 97, pointsDead: 3 });
  expect(room.journal.faults).toEqual([]);
  relent();
  expect(await redriven(room)).toMatchObject({ taken: 2, pointsTaken: 3 });
  expect(new Set(room.tracker.values("r", SPEC)).size).toBe(100);
});

test("a letter goes in smaller batches, and in parts where the tool takes parts", async () => {
  const { room, relent } = await roomWithLetters(() => true, 100);
  room.tracker.properties = { ...FAKE_PROPERTIES, maxPoints: 40, maxRecords: 40 };
  relent({ status: "partial", accepted: 7, rest: busy });
  const result = redrive(room);
  await room.clock.until(() => room.entry("r", SPEC).pointsSent === 7);
  await room.clock.flush();
  expect(result.outcome).toMatchObject({ taken: 0, waiting: 1 });
  expect(room.journal.letters).toMatchObject([{ points: 93 }]);
  relent();
  await room.untilState("done", ["r", SPEC]);
  expect(room.tracker.values("r", SPEC)).toEqual(numbers(100));
  expect(room.journal.letters).toEqual([]);
  expect(room.journal.faults).toEqual([]);
});

test("where the sink cannot be reached the letters wait, and are tried on in the background", async () => {
  const { room, relent } = await roomWithLetters((value) => value < 5);
  relent(busy);
  expect(await redriven(room)).toEqual({ taken: 0, refused: 0, waiting: 1, pointsTaken: 0 });
  expect(room.entry("r", SPEC)).toMatchObject({ state: "retrying", pointsDead: 5 });
  relent("deaf");
  const hanging = redrive(room);
  await room.clock.advance(10_000);
  expect(hanging.outcome).toMatchObject({ waiting: 1 });
  relent();
  await room.untilState("done", ["r", SPEC]);
  expect(room.entry("r", SPEC)).toMatchObject({ pointsSent: 100, pointsDead: 0 });
  expect(room.journal.letters).toEqual([]);
});

test("letters and new records of a running run take turns, one call at a time", async () => {
  const { room, relent } = await roomWithLetters((value) => value % 10 === 0, 60, true);
  expect(room.journal.letters).toHaveLength(6);
  relent();
  await room.log("r", 300, 1);
  room.tracker.mostRunning = 0;
  const outcome = redriven(room);
  expect(await outcome).toMatchObject({ taken: 6, pointsTaken: 6 });
  await room.clock.until(() => room.entry("r", SPEC).pointsSent === 360);
  expect(room.tracker.mostRunning).toBe(1);
  const sizes = room.tracker.calls.filter(({ name }) => name === "send").map(({ batch }) => batch.length);
  expect(sizes.slice(0, 6)).toContain(100);
  await room.end("r");
  await room.untilState("done", ["r", SPEC]);
  expect(new Set(room.tracker.values("r", SPEC)).size).toBe(360);
  expect(room.journal.faults).toEqual([]);
});

test("a refused sink is asked again at once", async () => {
  const room = new Room();
  let refuses = true;
  room.tracker.answer = ({ name, batch }) => {
    if (name === "open" && refuses && room.tracker.opened.length > 1) return never;
    if (name === "send" && refuses && batch.some((record) => record.kind === "point")) return never;
    return "ok";
  };
  await room.delivery.start();
  await room.start("r", [SPEC], "{}");
  await room.log("r", 10);
  await room.clock.until(() => room.journal.letters.length === 1);
  // Idle long enough to be closed; the run is then refused when it goes on.
  await room.clock.advance(120_000);
  await room.log("r", 5);
  await room.untilState("refused", ["r", SPEC]);
  expect(await redriven(room)).toMatchObject({ waiting: 1 });
  refuses = false;
  const before = room.clock.now();
  expect(await redriven(room)).toMatchObject({ taken: 1, pointsTaken: 10 });
  expect(room.clock.now() - before).toBeLessThan(1000);
  await room.clock.until(() => room.entry("r", SPEC).pointsSent === 15);
  expect(room.journal.faults).toEqual([]);
});

test("a refused end is told again, and letters of params and tags send nothing else", async () => {
  const room = new Room();
  let refuses = true;
  room.tracker.answer = ({ name, batch }) => {
    if (!refuses) return "ok";
    if (name === "finish") return never;
    const rejected = batch.flatMap(({ kind }, at) => (kind === "tags" ? [at] : []));
    return name === "send" && rejected.length > 0 ? { ...never, rejected } : "ok";
  };
  await room.delivery.start();
  const tags = { record: { $case: "tags" as const, value: { tags: { team: "blue" } } } };
  await room.start("r", [SPEC]);
  await room.append("r", [room.metrics(3), tags]);
  await room.end("r");
  await room.untilState("done", ["r", SPEC]);
  expect(room.journal.letters.map(({ kind }) => kind)).toEqual(["tags", "end"]);
  expect(await room.delivery.letterLines(room.journal.letters[0] as never, 20)).toEqual(["team = blue"]);
  refuses = false;
  room.tracker.calls.length = 0;
  expect(await redriven(room)).toEqual({ taken: 2, refused: 0, waiting: 0, pointsTaken: 0 });
  expect(room.tracker.calls.map(({ name }) => name)).toEqual(["open", "send", "finish", "count"]);
  expect(room.tracker.calls[1]?.batch).toEqual([{ kind: "tags", tags: { team: "blue" } }]);
  expect(room.journal.letters).toEqual([]);
  expect(room.tracker.run("r", SPEC).end).toMatchObject({ state: "completed" });
});

test("a kill in the middle of a re-drive leaves the run to be ended again, and the letter with its old memo", async () => {
  const { room, relent } = await roomWithLetters((value) => value < 5);
  relent("deaf");
  const result = redrive(room);
  await room.clock.until(() => room.tracker.running === 1);
  const journal = room.journal.copy();
  expect(journal.letters).toHaveLength(1);
  const after = new Room({ journal, tracker: room.tracker, clock: room.clock });
  relent();
  await after.delivery.start();
  await after.untilState("done", ["r", SPEC]);
  expect(journal.letters).toHaveLength(1);
  expect(after.entry("r", SPEC)).toMatchObject({ pointsSent: 95, pointsDead: 5 });
  expect(await redriven(after)).toMatchObject({ taken: 1 });
  expect(after.entry("r", SPEC)).toMatchObject({ pointsSent: 100, pointsDead: 0 });
  expect(journal.faults).toEqual([]);
  const stopped = room.delivery.stop(0);
  await room.clock.advance(1000);
  await stopped;
  expect(result.outcome).toMatchObject({ waiting: 1 });
});
