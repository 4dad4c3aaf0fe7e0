import { packRows, RunState } from "@pipekit/proto";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { FakeAnswer } from "../support/fake-tracker.ts";
import { FakeTracker } from "../support/fake-tracker.ts";
import { endRecord, numbers, Room, resumeRecord } from "./room.ts";

const SPEC = "fake:a/x";
const OTHER = "fake:b/x";
const busy = { status: "retry", reason: "Busy." } as const;
const failed = () => endRecord(RunState.RUN_STATE_FAILED);

function names(room: Room, spec = SPEC): string[] {
  return room.tracker.calls.filter((call) => call.spec === spec).map(({ name }) => name);
}

/** The journal and the tool agree, and the end that the tool has is the last one. */
function expectWhole(room: Room, points: number, spec = SPEC): void {
  expect(room.tracker.values("r", spec)).toEqual(numbers(points));
  expect(room.tracker.run("r", spec).end).toMatchObject({ state: "completed" });
  const whole = { state: "done", pointsSent: points, pointsShown: points, pointsDead: 0, notes: [] };
  expect(room.entry("r", spec)).toMatchObject(whole);
  expect(room.journal.faults).toEqual([]);
  expect(room.journal.letters).toEqual([]);
}

test("a sink that is done takes what a resumed run logs, and is done again", async () => {
  const room = new Room();
  await room.start("r", [SPEC], "{}");
  await room.log("r", 3);
  await room.append("r", [failed()]);
  await room.delivery.start();
  await room.untilState("done", ["r", SPEC]);
  await room.clock.flush();
  expect(room.tracker.run("r", SPEC).end).toMatchObject({ state: "failed" });
  await room.resume("r");
  await room.untilState("idle", ["r", SPEC]);
  await room.log("r", 2);
  await room.clock.until(() => room.entry("r", SPEC).pointsSent === 5);
  expect(room.tracker.run("r", SPEC).end).toBeUndefined();
  await room.end("r");
  await room.untilState("done", ["r", SPEC]);
  expectWhole(room, 5);
  expect(room.tracker.opened.map(({ run }) => run.resumed)).toEqual([false, true]);
  expect(names(room)).toEqual(["open", "send", "finish", "count", "open", "send", "finish", "count"]);
});

test("an end that a resume follows in the journal is none: the tool hears of the last end only", async () => {
  const room = new Room();
  await room.start("r", [SPEC], "{}");
  await room.log("r", 3);
  for (let i = 0; i < 3; i++) {
    await room.append("r", [failed()]);
    await room.resume("r");
    await room.log("r", 2);
  }
  await room.end("r");
  await room.delivery.start();
  await room.untilState("done", ["r", SPEC]);
  expectWhole(room, 9);
  expect(names(room).filter((name) => name === "finish")).toHaveLength(1);
});

test("a resume that comes while the tool is told of the end is not lost", async () => {
  const room = new Room();
  let release = () => {};
  room.tracker.answer = ({ name }) =>
    name === "finish" ? new Promise<FakeAnswer>((resolve) => (release = () => resolve("ok"))) : "ok";
  await room.start("r", [SPEC], "{}");
  await room.log("r", 3);
  await room.append("r", [failed()]);
  await room.delivery.start();
  await room.clock.until(() => names(room).includes("finish"));
  // Journaled, and nobody is told of it.
  const { frames } = room.journal;
  const position = (frames.at(-1)?.position ?? 0) + 3;
  frames.push({ position, runId: "r", records: [resumeRecord()], atUs: 0 });
  release();
  room.tracker.answer = () => "ok";
  await room.clock.until(() => names(room).filter((name) => name === "open").length === 2);
  await room.untilState("idle", ["r", SPEC]);
  expect(room.tracker.run("r", SPEC).end).toBeUndefined();
  await room.log("r", 2);
  await room.end("r");
  await room.untilState("done", ["r", SPEC]);
  expectWhole(room, 5);
});

test("points of a run that is resumed while the tool is told of its end are no difference", async () => {
  const room = new Room();
  const told = Promise.withResolvers<FakeAnswer>();
  room.tracker.answer = ({ name }) => (name === "finish" ? told.promise : "ok");
  await room.start("r", [SPEC], "{}");
  await room.log("r", 3);
  await room.append("r", [failed()]);
  await room.delivery.start();
  await room.clock.until(() => names(room).includes("finish"));
  await room.resume("r");
  await room.log("r", 2);
  room.tracker.answer = () => "ok";
  told.resolve("ok");
  await room.clock.until(() => room.entry("r", SPEC).pointsSent === 5);
  expect(room.entry("r", SPEC)).toMatchObject({ notes: [], pointsShown: -1 });
  await room.end("r");
  await room.untilState("done", ["r", SPEC]);
  expectWhole(room, 5);
});

test("a resume that comes while the loop of a sink that is done ends is not lost", async () => {
  const room = new Room();
  let release = () => {};
  room.tracker.closing = () => new Promise((resolve) => (release = resolve));
  await room.start("r", [SPEC], "{}");
  await room.log("r", 3);
  await room.append("r", [failed()]);
  await room.delivery.start();
  await room.untilState("done", ["r", SPEC]);
  await room.clock.flush();
  await room.resume("r");
  await room.log("r", 2);
  await room.end("r");
  await room.clock.flush();
  expect(room.tracker.values("r", SPEC)).toHaveLength(3);
  release();
  room.tracker.closing = async () => {};
  await room.untilState("done", ["r", SPEC]);
  await room.clock.flush();
  expectWhole(room, 5);
  const before = room.clock.now();
  expect(await room.delivery.whenDelivered(1000, new AbortController().signal)).toBe(0);
  expect(room.clock.now()).toBe(before);
});

test("a resume is seen also while a look at the run's sinks, begun before it, is under way", async () => {
  const room = new Room();
  await room.start("r", [SPEC], "{}");
  await room.log("r", 3);
  await room.append("r", [failed()]);
  await room.delivery.start();
  await room.untilState("done", ["r", SPEC]);
  await room.clock.flush();
  let release = () => {};
  const read = room.journal.sinks.bind(room.journal);
  room.journal.sinks = async (runId) => {
    const sinks = await read(runId);
    await new Promise<void>((resolve) => (release = resolve));
    return sinks;
  };
  const adding = room.delivery.addSinks("r", [SPEC]);
  await room.clock.flush();
  await room.append("r", [resumeRecord(), room.metrics(2), endRecord()]);
  room.journal.sinks = read;
  release();
  await adding;
  await room.untilState("done", ["r", SPEC]);
  expectWhole(room, 5);
});

test("an end that the tool cannot take now is not tried on once the run is resumed", async () => {
  const room = new Room();
  room.tracker.answer = ({ name }) => (name === "finish" ? busy : "ok");
  await room.start("r", [SPEC], "{}");
  await room.log("r", 3);
  await room.append("r", [failed()]);
  await room.delivery.start();
  await room.untilState("retrying", ["r", SPEC]);
  await room.resume("r");
  await room.untilState("idle", ["r", SPEC]);
  const tries = names(room).filter((name) => name === "finish").length;
  await room.log("r", 2);
  await room.clock.until(() => room.entry("r", SPEC).pointsSent === 5);
  expect(names(room).filter((name) => name === "finish")).toHaveLength(tries);
  room.tracker.answer = () => "ok";
  await room.end("r");
  await room.untilState("done", ["r", SPEC]);
  expectWhole(room, 5);
});

test("of two sinks, one done and one that sends still, both take what comes", async () => {
  const room = new Room();
  room.tracker.answer = ({ spec }) => (spec === OTHER ? busy : "ok");
  await room.start("r", [SPEC, OTHER], "{}");
  await room.log("r", 3);
  await room.end("r");
  await room.delivery.start();
  await room.untilState("done", ["r", SPEC]);
  await room.clock.flush();
  await room.resume("r");
  await room.log("r", 2);
  await room.clock.until(() => room.tracker.values("r", SPEC).length === 5);
  room.tracker.answer = () => "ok";
  await room.end("r");
  await room.untilState("done", ["r", SPEC], ["r", OTHER]);
  expectWhole(room, 5);
  expectWhole(room, 5, OTHER);
});

test("an end that the tool refused is no dead letter any more once a later one is taken", async () => {
  const room = new Room();
  const never = { status: "permanent", reason: "Not this end." } as const;
  room.tracker.answer = ({ name }) => (name === "finish" ? never : "ok");
  await room.start("r", [SPEC], "{}");
  await room.log("r", 3);
  await room.append("r", [failed()]);
  await room.delivery.start();
  await room.untilState("done", ["r", SPEC]);
  expect(room.journal.letters).toMatchObject([{ kind: "end" }]);
  const [{ to } = { to: undefined }] = room.journal.letters;
  await room.resume("r");
  await room.log("r", 2);
  await room.end("r");
  await room.untilState("done", ["r", SPEC]);
  expect(room.journal.letters).toMatchObject([{ kind: "end" }]);
  expect(room.journal.letters[0]?.to.position).toBeGreaterThan(to?.position ?? 0);
  room.tracker.answer = () => "ok";
  await room.resume("r");
  await room.end("r");
  await room.untilState("done", ["r", SPEC]);
  expectWhole(room, 5);
});

type Step = "log" | "end" | "resume" | "busy" | "ok" | "wait" | "flush" | "restart";
const steps = fc.array(
  fc.constantFrom<Step>("log", "end", "resume", "resume", "busy", "ok", "wait", "flush", "restart"),
  { maxLength: 40 },
);

test("whenever a run ends, is resumed, and its daemon stopped: all of it is taken once, and it ends last", async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(6), async (list, hops) => {
      const tracker = new FakeTracker();
      let room = new Room({ tracker });
      await room.start("r", [SPEC, OTHER], "{}");
      await room.delivery.start();
      let [points, running] = [0, true];
      for (const step of list) {
        if (step === "log" && running) {
          await room.append("r", [pointsFrom(points, 3)]);
          points += 3;
        } else if (step === "end" && running) {
          await room.append("r", [failed()]);
          running = false;
        } else if (step === "resume") {
          await room.resume("r");
          running = true;
        } else if (step === "busy") tracker.answer = ({ spec }) => (spec === OTHER ? busy : "ok");
        else if (step === "ok") tracker.answer = () => "ok";
        else if (step === "flush") await room.clock.flush();
        else if (step === "restart") {
          await room.delivery.stop(1000);
          room = new Room({ tracker, clock: room.clock, journal: room.journal });
          await room.delivery.start();
        } else for (let hop = 0; hop < hops; hop++) await null;
      }
      tracker.answer = () => "ok";
      if (!running) await room.resume("r");
      await room.end("r");
      await room.untilState("done", ["r", SPEC], ["r", OTHER]);
      await room.clock.flush();
      for (const spec of [SPEC, OTHER]) expectWhole(room, points, spec);
      expect(tracker.openAdapters).toBe(0);
    }),
    { numRuns: 300 },
  );
});

function pointsFrom(first: number, count: number) {
  const rows = numbers(count, first).map((value) => ({
    keys: ["k"],
    step: value,
    timeUs: value,
    values: [value],
  }));
  return { record: { $case: "metrics" as const, value: packRows(rows) } };
}
