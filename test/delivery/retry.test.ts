import { expect, test } from "vitest";
import type { FakeAnswer } from "../support/fake-tracker.ts";
import { numbers, Room } from "./room.ts";

const SPEC = "fake:a/x";
const busy = { status: "retry", reason: "Busy." } as const;

test("a tool that names a time is left alone until then", async () => {
  const room = new Room();
  const answers: FakeAnswer[] = [{ ...busy, afterMs: 90_000 }];
  room.tracker.answer = ({ name }) => (name === "send" ? (answers.shift() ?? "ok") : "ok");
  await room.delivery.start();
  await room.start("r", [SPEC]);
  await room.clock.advance(1000);
  const sent = room.clock.now() - 800;
  const entry = room.entry("r", SPEC);
  expect(entry).toMatchObject({ state: "retrying", lastError: "Busy." });
  expect(entry.retryAtUs / 1000).toBeGreaterThanOrEqual(sent + 90_000);
  await room.log("r", 1);
  await room.clock.advance(88_900);
  expect(room.tracker.calls.filter(({ name }) => name === "send")).toHaveLength(1);
  await room.clock.advance(1500);
  expect(room.tracker.run("r", SPEC).records).not.toHaveLength(0);
  await room.clock.advance(1000);
  expect(room.entry("r", SPEC)).toMatchObject({ state: "idle", lastError: "", retryAtUs: 0, pointsSent: 1 });
});

test("waits double up to the cap, with full jitter", async () => {
  for (const [random, expected] of [
    [1 - 1e-12, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]],
    [0.5, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]],
  ] as const) {
    const room = new Room({ random: () => random });
    const times: number[] = [];
    room.tracker.answer = () => {
      times.push(room.clock.now());
      return busy;
    };
    await room.delivery.start();
    await room.start("r", [SPEC]);
    await room.clock.until(() => times.length === 10);
    const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    waits.forEach((wait, index) => {
      expect(wait).toBeCloseTo(expected[index] ?? 0, 3);
    });
    await room.delivery.stop(0);
  }
});

test("nothing is given up for age: a week of failures ends in delivery", async () => {
  const room = new Room();
  await room.delivery.start();
  await room.start("r", [SPEC]);
  const back = room.clock.now() + 7 * 24 * 3_600_000;
  room.tracker.answer = () => (room.clock.now() < back ? busy : "ok");
  await room.log("r", 10);
  await room.end("r");
  await room.clock.until(() => room.entry("r", SPEC).state === "done", 8 * 24 * 3_600_000);
  expect(room.tracker.values("r", SPEC)).toEqual(numbers(10));
});

test("a batch that is tried again is the same batch, however much was logged meanwhile", async () => {
  const room = new Room();
  const answers: FakeAnswer[] = [busy, "throw", busy];
  room.tracker.answer = ({ name }) => (name === "send" ? (answers.shift() ?? "ok") : "ok");
  await room.delivery.start();
  await room.start("r", [SPEC], "{}");
  await room.log("r", 5);
  await room.clock.advance(200);
  await room.log("r", 50);
  await room.clock.advance(20_000);
  const sizes = room.tracker.calls.filter(({ name }) => name === "send").map(({ batch }) => batch.length);
  expect(sizes).toEqual([5, 5, 5, 5, 50]);
});

test("an adapter that throws eight times on one batch loses it to a dead letter, and goes on", async () => {
  const room = new Room();
  let sends = 0;
  room.tracker.answer = ({ name }) => (name === "send" && ++sends <= 8 ? "throw" : "ok");
  await room.start("r", [SPEC], "{}");
  await room.log("r", 150);
  await room.end("r");
  await room.delivery.start();
  await room.untilState("done", ["r", SPEC]);
  expect(sends).toBe(9);
  expect(room.journal.letters).toMatchObject([
    {
      kind: "metrics",
      points: 100,
      reason: "The adapter failed: TypeError: this adapter has a defect",
    },
  ]);
  expect(room.entry("r", SPEC)).toMatchObject({ pointsSent: 50, pointsDead: 100, pointsShown: 50 });
  expect(room.journal.faults).toEqual([]);
});

test("refused records are dead letters that say exactly which, and the rest goes on", async () => {
  const room = new Room();
  const answers: FakeAnswer[] = [
    { status: "permanent", reason: "Bad points.", rejected: [0, 1, 7, 99] },
    {
      status: "partial",
      accepted: 20,
      rest: { status: "permanent", reason: "Gone.", rejected: [3, 20, 21] },
    },
  ];
  room.tracker.answer = ({ name }) => (name === "send" ? (answers.shift() ?? "ok") : "ok");
  await room.start("r", [SPEC], "{}");
  await room.log("r", 250, 3);
  await room.end("r");
  await room.delivery.start();
  await room.untilState("done", ["r", SPEC]);
  const refused = [0, 1, 7, 99, 120, 121];
  expect(room.tracker.values("r", SPEC)).toEqual(numbers(250).filter((value) => !refused.includes(value)));
  expect(room.journal.letters.map(({ points, reason }) => [points, reason])).toEqual([
    [2, "Bad points."],
    [1, "Bad points."],
    [1, "Bad points."],
    [2, "Gone."],
  ]);
  expect(room.journal.faults).toEqual([]);
});

test("a refused run keeps its place, is asked for again after ten minutes, and loses nothing", async () => {
  const room = new Room();
  let refuses = true;
  room.tracker.answer = ({ name }) =>
    refuses && name === "open" ? { status: "permanent", reason: "No permission." } : "ok";
  await room.delivery.start();
  await room.start("r", [SPEC], "{}");
  await room.log("r", 10);
  await room.clock.advance(1000);
  const cursor = { position: 0, offset: 0 };
  expect(room.entry("r", SPEC)).toMatchObject({ state: "refused", lastError: "No permission.", cursor });
  await room.log("r", 10);
  await room.clock.advance(300_000);
  expect(room.tracker.calls).toHaveLength(1);
  const { signal } = new AbortController();
  await room.delivery.whenDelivered(60_000, signal);
  refuses = false;
  await room.clock.advance(301_000);
  expect(room.tracker.values("r", SPEC)).toEqual(numbers(20));
  expect(room.entry("r", SPEC)).toMatchObject({ state: "idle", lastError: "" });
});

test("a refused run is asked for again at the next start", async () => {
  const first = new Room();
  first.tracker.answer = () => ({ status: "permanent", reason: "No permission." });
  await first.delivery.start();
  await first.start("r", [SPEC], "{}");
  await first.clock.advance(1000);
  await first.delivery.stop(100);
  const second = new Room({ journal: first.journal.copy() });
  await second.delivery.start();
  await second.end("r");
  await second.untilState("done", ["r", SPEC]);
});

test("a call without an answer is aborted and made again, with a new adapter when it does not heed", async () => {
  const room = new Room();
  const answers: FakeAnswer[] = ["hang", "deaf"];
  room.tracker.answer = ({ name }) => (name === "send" ? (answers.shift() ?? "ok") : "ok");
  await room.delivery.start();
  await room.start("r", [SPEC], "{}");
  await room.log("r", 10);
  await room.clock.advance(500_000);
  expect(room.tracker.values("r", SPEC)).toEqual(numbers(10));
  expect(room.tracker.opened).toHaveLength(2);
  expect(room.journal.faults).toEqual([]);
});

test("an end that the tool refuses is a dead letter, and the run is done", async () => {
  const room = new Room();
  room.tracker.answer = ({ name }) =>
    name === "finish" ? { status: "permanent", reason: "Run deleted." } : "ok";
  await room.delivery.start();
  await room.start("r", [SPEC]);
  await room.log("r", 10);
  await room.end("r");
  await room.untilState("done", ["r", SPEC]);
  expect(room.journal.letters).toMatchObject([{ kind: "end", points: 0, reason: "Run deleted." }]);
  expect(room.entry("r", SPEC)).toMatchObject({ pointsShown: 10, lastError: "Run deleted." });
});

test("a spec of a kind that this daemon does not have is refused visibly", async () => {
  const room = new Room();
  await room.delivery.start();
  await room.start("r", ["gone:a/x", SPEC]);
  await room.end("r");
  await room.untilState("done", ["r", SPEC]);
  expect(room.entry("r", "gone:a/x")).toMatchObject({
    state: "refused",
    lastError: "This daemon has no tracker of this kind.",
  });
});
