import { expect, test } from "vitest";
import { FAKE_PROPERTIES } from "../support/fake-tracker.ts";
import { Room } from "./room.ts";

const SPEC = "fake:a/x";
const later = { status: "retry", reason: "Later." } as const;

/** Everything that was ever saved of the sink, as cursor offset and memo. */
function watchSaves(room: Room): { points: number; memo: unknown }[] {
  const saves: { points: number; memo: unknown }[] = [];
  const save = room.journal.saveSink.bind(room.journal);
  room.journal.saveSink = (sink, letters, settled) => {
    saves.push({ points: sink.pointsSent + sink.pointsDead, memo: sink.memo });
    return save(sink, letters, settled);
  };
  return saves;
}

test("memo and cursor are saved in one save, also behind the accepted part of a batch", async () => {
  const room = new Room();
  const saves = watchSaves(room);
  await room.start("r", [SPEC], "{}");
  await room.log("r", 250);
  let sends = 0;
  room.tracker.answer = ({ name, batch }) => {
    if (name !== "send") return "ok";
    sends++;
    const accepted = sends === 2 ? 40 : batch.length;
    room.tracker.memos.push({ lines: room.tracker.values("r", SPEC).length + accepted });
    return sends === 2 ? { status: "partial", accepted, rest: later } : "ok";
  };
  await room.delivery.start();
  await room.clock.until(() => room.entry("r", SPEC).pointsSent === 250);
  const sent = saves.filter(({ memo }) => JSON.stringify(memo).includes("lines"));
  expect(sent.map(({ points, memo }) => [points, memo])).toEqual(
    sent.map(({ points }) => [points, { lines: points }]),
  );
  expect(new Set(sent.map(({ points }) => points))).toEqual(new Set([100, 140, 240, 250]));
});

test("after a retry the memo of before stays", async () => {
  const room = new Room();
  await room.start("r", [SPEC], "{}");
  await room.log("r", 200);
  let sends = 0;
  room.tracker.answer = ({ name }) => {
    if (name !== "send") return "ok";
    room.tracker.memos.push({ lines: ++sends * 100 });
    return sends === 2 ? later : "ok";
  };
  await room.delivery.start();
  await room.clock.until(() => sends === 2);
  await room.clock.flush();
  expect(room.entry("r", SPEC)).toMatchObject({ pointsSent: 100, memo: { lines: 100 }, state: "retrying" });
});

test("what an abandoned adapter remembers late is never saved, and the next one opens with the memo of before", async () => {
  const room = new Room();
  const saves = watchSaves(room);
  await room.start("r", [SPEC], "{}");
  await room.log("r", 200);
  await room.end("r");
  let sends = 0;
  room.tracker.answer = ({ name }) => {
    if (name !== "send") return "ok";
    sends++;
    if (sends === 1) room.tracker.memos.push({ lines: 100 });
    return sends === 2 ? "deaf" : "ok";
  };
  await room.delivery.start();
  await room.clock.until(() => sends === 2);
  // The hung call writes on and remembers it, long after it was given up.
  room.tracker.memos.push({ lines: 999 });
  const { connect } = room.tracker.kind;
  let adapters = 0;
  Object.assign(room.tracker.kind, {
    connect: (...args: Parameters<typeof connect>) => {
      adapters++;
      room.tracker.memos.length = 0;
      return connect(...args);
    },
  });
  await room.untilState("done", ["r", SPEC]);
  expect(adapters).toBe(1);
  expect(saves.map(({ memo }) => memo)).not.toContainEqual({ lines: 999 });
  expect(room.tracker.opened.at(-1)?.memo).toEqual({ lines: 100 });
});

test("a finish that has to be tried again keeps the memo, and the next try brings its own", async () => {
  const room = new Room();
  const saves = watchSaves(room);
  await room.start("r", [SPEC], "{}");
  await room.end("r");
  let finishes = 0;
  room.tracker.answer = ({ name }) => {
    if (name !== "finish") return "ok";
    finishes++;
    room.tracker.memos.splice(0, 1, { finishes });
    return finishes === 1 ? later : "ok";
  };
  await room.delivery.start();
  await room.clock.until(() => finishes === 1);
  await room.clock.flush();
  expect(room.entry("r", SPEC)).toMatchObject({ state: "retrying", memo: { remoteId: "tool-r" } });
  await room.untilState("done", ["r", SPEC]);
  expect(room.entry("r", SPEC).memo).toEqual({ finishes: 2 });
  expect(saves.map(({ memo }) => memo)).not.toContainEqual({ finishes: 1 });
});

test("where a replay does harm, the save is on disk before the next batch is sent", async () => {
  for (const idempotentReplay of [false, true]) {
    const room = new Room();
    room.tracker.properties = { ...FAKE_PROPERTIES, idempotentReplay };
    await room.start("r", [SPEC], "{}");
    await room.log("r", 300);
    let sends = 0;
    room.tracker.answer = ({ name }) => {
      if (name === "send") sends++;
      return "ok";
    };
    const save = room.journal.saveSink.bind(room.journal);
    const held = Promise.withResolvers<void>();
    room.journal.saveSink = async (sink, letters, settled) => {
      if (sink.pointsSent > 0) await held.promise;
      return save(sink, letters, settled);
    };
    await room.delivery.start();
    await room.clock.advance(1000);
    expect(sends).toBe(idempotentReplay ? 3 : 1);
    held.resolve();
    await room.clock.until(() => room.entry("r", SPEC).pointsSent === 300);
    expect(sends).toBe(3);
  }
});

test("an adapter that throws when it is asked for its memo sends nothing twice", async () => {
  const room = new Room();
  const { connect } = room.tracker.kind;
  Object.assign(room.tracker.kind, {
    connect: (...args: Parameters<typeof connect>) => {
      const adapter = connect(...args);
      adapter.takeMemo = () => {
        throw new TypeError("no memo");
      };
      return adapter;
    },
  });
  await room.start("r", [SPEC], "{}");
  await room.log("r", 300);
  await room.end("r");
  await room.delivery.start();
  await room.untilState("done", ["r", SPEC]);
  expect(room.tracker.values("r", SPEC)).toHaveLength(300);
});
