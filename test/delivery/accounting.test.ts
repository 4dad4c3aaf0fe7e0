import type { SinkRecord } from "@pipekit/adapters/tracker";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { CrashPoint } from "../../daemon/delivery/index.ts";
import { FAKE_PROPERTIES, type FakeAnswer, FakeTracker } from "../support/fake-tracker.ts";
import { endRecord, numbers, Room, startRecord } from "./room.ts";

const SPEC = "fake:a/x";

/** One answer of the tool, its numbers as fractions of the batch. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: "ok" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("retry" as const), afterMs: fc.option(fc.nat(5000)) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "throw" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "permanent" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("rejected" as const), at: fc.array(fc.nat(120)) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("partial" as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      refused: fc.boolean(),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function toAnswer(chosen: Step | undefined, batch: readonly SinkRecord[]): FakeAnswer {
  switch (chosen?.kind) {
    case "retry": {
      const afterMs = chosen.afterMs ?? undefined;
      return { status: "retry", reason: "Busy.", ...(afterMs !== undefined && { afterMs }) };
    }
    case "throw":
      return "throw";
    case "permanent":
      return { status: "permanent", reason: "Never." };
    case "rejected":
      return {
        status: "permanent",
        reason: "Not these.",
        rejected: chosen.at.filter((i) => i < batch.length),
      };
    case "partial": {
      const accepted = Math.floor(chosen.share * batch.length);
      const rest = chosen.refused
        ? ({ status: "permanent", reason: "Not the rest." } as const)
        : ({ status: "retry", reason: "Later." } as const);
      return { status: "partial", accepted, rest };
    }
    default:
      return "ok";
  }
}

/** A journal's worth of frames: each record is a number of points, or 0 for a params record. */
const frames = fc.array(fc.array(fc.nat(130), { minLength: 1, maxLength: 3 }), {
  minLength: 1,
  maxLength: 6,
});

async function fill(room: Room, shape: readonly (readonly number[])[], perRow: number): Promise<number> {
  let points = 0;
  await room.append("r", [startRecord("r", '{"a":1}', { t: "1" })], [SPEC]);
  for (const [frame, records] of shape.entries()) {
    const made = records.map((count, index) => {
      points += count;
      if (count > 0) return room.metrics(count, perRow);
      const paramsJson = JSON.stringify({ [`p${frame}.${index}`]: 1 });
      return { record: { $case: "params" as const, value: { paramsJson } } };
    });
    await room.append("r", made);
  }
  await room.append("r", [endRecord()]);
  return points;
}

/** Identity of what a record says, so that nothing may stand twice. */
function identities(records: readonly SinkRecord[]): string[] {
  return records.map((record) =>
    record.kind === "point" ? `point ${record.value}` : JSON.stringify(record),
  );
}

test("accepted and dead-lettered records are exactly the journaled ones, nothing twice, order kept", async () => {
  const scripts = fc.array(step, { maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(frames, scripts, fc.integer({ min: 1, max: 5 }), async (shape, script, perRow) => {
      const room = new Room();
      const points = await fill(room, shape, perRow);
      const params = shape.flat().filter((count) => count === 0).length;
      const left = [...script];
      room.tracker.answer = ({ name, batch }) => (name === "send" ? toAnswer(left.shift(), batch) : "ok");
      await room.delivery.start();
      await room.untilState("done", ["r", SPEC]);

      expect(room.journal.faults).toEqual([]);
      const { records } = room.tracker.run("r", SPEC);
      expect(new Set(identities(records)).size).toBe(records.length);
      const values = room.tracker.values("r", SPEC);
      expect(values).toEqual(values.toSorted((a, b) => a - b));
      const { letters } = room.journal;
      const deadPoints = letters.reduce((sum, letter) => sum + letter.points, 0);
      expect(values.length + deadPoints).toBe(points);
      const deadOthers = letters.filter(({ kind }) => kind === "params" || kind === "tags").length;
      expect(records.length - values.length + deadOthers).toBe(params + 2);
      for (const { from, to, points: inLetter } of letters) {
        expect(room.journal.pointsBetween("r", from, to)).toBe(inLetter);
      }
      const entry = room.entry("r", SPEC);
      expect([entry.pointsSent, entry.pointsDead]).toEqual([values.length, deadPoints]);
      expect(entry.pointsShown).toBe(values.length);
    }),
    { numRuns: 150 },
  );
});

test("a kill at any point loses nothing, and repeats at most the batch in flight", async () => {
  const points = fc.constantFrom<CrashPoint>("before-send", "after-send", "before-cursor", "after-cursor");
  await fc.assert(
    fc.asyncProperty(frames, fc.array(step, { maxLength: 12 }), points, fc.nat(8), async (...args) => {
      const [shape, script, crashPoint, skips] = args;
      const tracker = new FakeTracker();
      const left = [...script];
      tracker.answer = ({ name, batch }) => (name === "send" ? toAnswer(left.shift(), batch) : "ok");
      let countdown = skips;
      let kill: (room: Room) => void = () => {};
      const room: Room = new Room({
        tracker,
        crashpoint: (name) => {
          if (name === crashPoint && countdown-- === 0) kill(room);
        },
      });
      const journaled = await fill(room, shape, 2);
      let survivor: Room | undefined;
      kill = (dead) => {
        // What a restart finds is the journal as it is at this moment, and the tool as it is.
        const journal = dead.journal.copy();
        const held = tracker.run("r", SPEC).records;
        const after = new FakeTracker();
        after.run("r", SPEC).records.push(...held);
        survivor = new Room({ journal, tracker: after });
      };
      await room.delivery.start();
      await room.clock.until(() => survivor !== undefined || room.entry("r", SPEC).state === "done");
      await room.delivery.stop(0);
      if (survivor === undefined) return;
      await survivor.delivery.start();
      await survivor.untilState("done", ["r", SPEC]);
      expect(survivor.journal.faults).toEqual([]);
      const values = survivor.tracker.values("r", SPEC);
      const dead = survivor.journal.letters.flatMap(({ from, to }) => survivorValues(survivor, from, to));
      expect(new Set([...values, ...dead])).toEqual(new Set(numbers(journaled)));
      const twice = values.length - new Set(values).size;
      expect(twice).toBeLessThanOrEqual(FAKE_PROPERTIES.maxPoints);
    }),
    { numRuns: 150 },
  );
});

/** The values of the points between two cursors: they count up in the journal. */
function survivorValues(
  room: Room | undefined,
  from: { position: number; offset: number },
  to: { position: number; offset: number },
): number[] {
  const first = room?.journal.pointsBetween("r", { position: 0, offset: 0 }, from) ?? 0;
  return numbers(room?.journal.pointsBetween("r", from, to) ?? 0, first);
}

test("a restart in the middle of a frame goes on at the very next point", async () => {
  const tracker = new FakeTracker();
  const first = new Room({ tracker });
  await first.start("r", [SPEC], "{}");
  await first.log("r", 330, 7);
  let sends = 0;
  tracker.answer = ({ name }) => (name === "send" && ++sends > 2 ? "hang" : "ok");
  await first.delivery.start();
  await first.clock.until(() => sends === 3);
  await first.delivery.stop(1000);
  const position = first.journal.frames[0]?.position;
  expect(first.entry("r", SPEC).cursor).toEqual({ position, offset: 200 });

  tracker.answer = () => "ok";
  const second = new Room({ tracker, journal: first.journal.copy() });
  await second.delivery.start();
  await second.end("r");
  await second.untilState("done", ["r", SPEC]);
  expect(tracker.values("r", SPEC)).toEqual(numbers(330));
});

test("half a start taken is not sent again", async () => {
  const room = new Room();
  const answers: FakeAnswer[] = [
    { status: "partial", accepted: 1, rest: { status: "retry", reason: "Later." } },
    { status: "retry", reason: "Later." },
  ];
  room.tracker.answer = ({ name }) => (name === "send" ? (answers.shift() ?? "ok") : "ok");
  await room.append("r", [startRecord("r", '{"a":1}', { t: "1" }), room.metrics(3), endRecord()], [SPEC]);
  await room.delivery.start();
  await room.untilState("done", ["r", SPEC]);
  const sends = room.tracker.calls.filter(({ name }) => name === "send");
  expect(sends.map(({ batch }) => batch.map(({ kind }) => kind).join(" "))).toEqual([
    "params tags point point point",
    "tags point point point",
    "tags point point point",
  ]);
});

test("where a replay is harmless the cursor is saved rarely, else before each next batch", async () => {
  const saves: number[] = [];
  for (const idempotentReplay of [true, false]) {
    const room = new Room();
    room.tracker.properties = { ...FAKE_PROPERTIES, idempotentReplay };
    await room.start("r", [SPEC], "{}");
    await room.log("r", 2000);
    await room.end("r");
    await room.delivery.start();
    await room.untilState("done", ["r", SPEC]);
    expect(room.journal.faults).toEqual([]);
    saves.push(room.journal.saves);
  }
  expect(saves[0]).toBeLessThanOrEqual(4);
  expect(saves[1]).toBeGreaterThanOrEqual(20);
});
