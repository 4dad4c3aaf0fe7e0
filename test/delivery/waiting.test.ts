/** Thousands of ended runs wait for a tracker: they cost little, and cost the others nothing. */
import { expect, test } from "vitest";
import type { FakeAnswer, FakeCall } from "../support/fake-tracker.ts";
import { numbers, Room } from "./room.ts";

const SEATS = 32;
const SPECS = ["fake:a/x", "fake:b/x"];
const away = { status: "retry", reason: "Away." } as const;

/** Answers by `script`, and keeps how many sessions were there at most. */
function watchSessions(
  room: Room,
  script: (call: FakeCall) => FakeAnswer | Promise<FakeAnswer> = () => "ok",
) {
  const seen = { most: 0 };
  room.tracker.answer = (call) => {
    seen.most = Math.max(seen.most, room.tracker.openAdapters);
    return script(call);
  };
  return seen;
}

/** Takes the call after a while. */
async function afterMs(room: Room, ms: number): Promise<"ok"> {
  await new Promise((resolve) => room.clock.timer(ms, () => resolve(undefined)));
  return "ok";
}

async function putEnded(
  room: Room,
  runId: string,
  points: number,
  sinks: readonly string[] = SPECS.slice(0, 1),
) {
  await room.start(runId, sinks, "{}");
  await room.log(runId, points);
  await room.end(runId);
}

test("500 ended runs that wait for two trackers hold few sessions, before, while and after these are away", async () => {
  const room = new Room({ random: Math.random });
  const runIds = numbers(500).map((i) => `run${i}`);
  for (const runId of runIds) await putEnded(room, runId, 110, SPECS);
  let sends = 0;
  let isAway = true;
  const seen = watchSessions(room, ({ name }) => {
    if (name === "send" && ++sends === 400) isAway = true;
    return isAway ? away : "ok";
  });
  await room.delivery.start();
  await room.clock.advance(10_000);
  const { pointsSent, state, lastError } = room.entry("run7", "fake:a/x");
  expect({ pointsSent, state }).toEqual({ pointsSent: 0, state: "retrying" });
  expect(lastError).toContain("Away.");
  isAway = false;
  await room.clock.until(() => sends >= 400, 60_000);
  await room.clock.advance(10_000);
  expect(room.tracker.openAdapters).toBeLessThanOrEqual(2 * SEATS);
  isAway = false;
  const all = runIds.flatMap((runId) => SPECS.map((spec) => [runId, spec] as [string, string]));
  await room.untilState("done", ...all);
  expect(seen.most).toBeLessThanOrEqual(2 * SEATS);
  expect(room.tracker.openAdapters).toBe(0);
  for (const [runId, spec] of all) {
    const from = 110 * Number(runId.slice("run".length));
    expect(room.tracker.values(runId, spec)).toEqual(numbers(110, from));
    expect(room.entry(runId, spec)).toMatchObject({ pointsSent: 110, pointsShown: 110, notes: [] });
  }
  expect(room.journal.faults).toEqual([]);
});

test("the oldest runs go first, and a run that is running waits for none of them", async () => {
  const room = new Room();
  const runIds = numbers(200).map((i) => `run${i}`);
  for (const runId of runIds) await putEnded(room, runId, 150);
  await room.start("live", ["fake:a/x"], "{}");
  watchSessions(room, () => afterMs(room, 100));
  await room.delivery.start();
  await room.log("live", 1);
  await room.clock.until(() => room.tracker.values("live", "fake:a/x").length > 0);
  expect(runIds.filter((runId) => room.entry(runId, "fake:a/x").state === "done").length).toBeLessThan(SEATS);
  await room.untilState("done", ["run99", "fake:a/x"]);
  const opened = room.tracker.opened.map(({ run }) => run.runId).filter((runId) => runId !== "live");
  expect(opened).toEqual(runIds.slice(0, opened.length));
  expect(opened.length).toBeLessThan(150);
});

test("runs that end with a backlog give up the sessions that they had while they ran", async () => {
  const room = new Room();
  const runIds = numbers(100).map((i) => `run${i}`);
  await room.delivery.start();
  for (const runId of runIds) {
    await room.start(runId, ["fake:a/x"], "{}");
    await room.log(runId, 1);
  }
  await room.clock.advance(1000);
  expect(room.tracker.openAdapters).toBe(100);
  watchSessions(room, () => afterMs(room, 100));
  for (const runId of runIds) {
    await room.log(runId, 2000);
    await room.end(runId);
  }
  // Each of the hundred has had its turn with one batch, and then found out that others come first.
  await room.clock.advance(6000);
  expect(room.tracker.openAdapters).toBeLessThanOrEqual(SEATS);
  await room.untilState("done", ...runIds.map((runId) => [runId, "fake:a/x"] as [string, string]));
  expect(room.journal.faults).toEqual([]);
});

test("a short run does not wait until a crowd of long ones is done", async () => {
  const room = new Room({ limits: { seatBatches: 4 } });
  const long = numbers(SEATS + 8).map((i) => `long${i}`);
  for (const runId of long) await putEnded(room, runId, 5000);
  await putEnded(room, "short", 10);
  watchSessions(room, () => afterMs(room, 10));
  await room.delivery.start();
  await room.untilState("done", ["short", "fake:a/x"]);
  for (const runId of long) expect(room.entry(runId, "fake:a/x").pointsSent).toBeLessThanOrEqual(1200);
  await room.untilState("done", ...long.map((runId) => [runId, "fake:a/x"] as [string, string]));
  expect(room.journal.faults).toEqual([]);
});

test.each(["throw", away] as const)("a crowd of bad ended runs keeps no seat: %j", async (fault) => {
  const room = new Room();
  const bad = numbers(2 * SEATS).map((i) => `bad${i}`);
  for (const runId of bad) await putEnded(room, runId, 10);
  for (const runId of numbers(20)) await putEnded(room, `good${runId}`, 10);
  watchSessions(room, ({ name, runId }) => (name === "send" && runId.startsWith("bad") ? fault : "ok"));
  await room.delivery.start();
  const good = numbers(20).map((i) => [`good${i}`, "fake:a/x"] as [string, string]);
  await room.clock.until(
    () => good.every(([runId, spec]) => room.entry(runId, spec).state === "done"),
    1_200_000,
  );
});

test("a run whose records cannot be read keeps no seat", async () => {
  const room = new Room({ limits: { seats: 1 } });
  await putEnded(room, "bad", 10);
  await putEnded(room, "good", 10);
  const read = room.journal.readRecords.bind(room.journal);
  let reads = 0;
  room.journal.readRecords = (runId, cursor, points) =>
    runId === "bad" && ++reads > 1 ? Promise.reject(new Error("damaged")) : read(runId, cursor, points);
  await room.delivery.start();
  await room.untilState("done", ["good", "fake:a/x"]);
});

test("a run that is resumed while it waits is opened at once", async () => {
  const room = new Room({ limits: { seats: 1 } });
  room.tracker.answer = ({ name, runId }) => (name === "send" && runId === "first" ? "deaf" : "ok");
  await putEnded(room, "first", 10);
  await putEnded(room, "second", 10);
  await room.delivery.start();
  await room.clock.advance(5000);
  expect(room.tracker.values("second", "fake:a/x")).toEqual([]);
  await room.resume("second");
  await room.log("second", 5);
  await room.clock.advance(1000);
  expect(room.tracker.values("second", "fake:a/x")).toHaveLength(15);
});
