import { afterEach, beforeEach, expect, test } from "vitest";
import { RpcRoom, SINK } from "./room.ts";

let room: RpcRoom;

beforeEach(async () => {
  room = await RpcRoom.open(async () => {
    throw new Error("no folder is opened");
  });
});

afterEach(() => room.close());

const NEW = "fake:b/x";

test("a sink is added to an ended run, in any spelling, and told of until it has all; again changes nothing", async () => {
  const run = await room.start({ sinks: [SINK] });
  await run.log(250);
  await run.end();
  await room.untilState(run.runId, "done");
  const answers = await room.sync({ runIds: [run.runId.slice(0, 12)], sinks: ["fake:B/x"] });
  expect(answers.at(-1)).toEqual({
    runs: 1,
    runsDelivered: 1,
    framesRead: 0,
    framesTaken: 0,
    points: 250,
    pointsPending: 0,
    pointsDead: 0,
    done: true,
    notes: [],
  });
  expect(answers.filter(({ done }) => done)).toHaveLength(1);
  const calls = room.tracker.calls.length;
  expect(await room.sync({ runIds: [run.runId], sinks: [NEW] })).toHaveLength(1);
  expect(room.tracker.calls).toHaveLength(calls);
  expect(room.values(run.runId, NEW)).toHaveLength(250);
  expect(room.values(run.runId, SINK)).toHaveLength(250);
});

test("without runs all are chosen, without sinks those they have; a named tracker brings its own", async () => {
  const first = await room.start({ sinks: [SINK] });
  const second = await room.start();
  for (const run of [first, second]) {
    await run.log(10);
    await run.end();
  }
  expect((await room.sync({})).at(-1)).toMatchObject({ runs: 2, runsDelivered: 2, points: 10 });
  expect((await room.sync({ tracker: "team" })).at(-1)).toMatchObject({ runsDelivered: 2, points: 20 });
  expect(room.values(second.runId, "fake:team/x")).toHaveLength(10);
});

test("a running run is settled when it has what was there, and followed to its end with `follow`", async () => {
  const run = await room.start();
  await run.log(30);
  const first = await room.sync({ runIds: [run.runId], sinks: [SINK] });
  expect(first.at(-1)).toMatchObject({ done: true, runsDelivered: 1, points: 30, pointsPending: 0 });
  const following = room.sync({ runIds: [run.runId], sinks: [SINK], follow: true });
  await run.log(20);
  await run.end();
  expect((await following).at(-1)).toMatchObject({ done: true, points: 50, runsDelivered: 1 });
  expect(room.values(run.runId)).toHaveLength(50);
});

test("follow without runs takes up those to come, and ends when it is cancelled", async () => {
  const old = await room.start();
  const stop = new AbortController();
  const told: number[] = [];
  const following = (async () => {
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]);
    for await (const { runs, points } of room.syncing({ sinks: [SINK], follow: true }, signal)) {
      told.push(points);
      if (runs === 2 && points === 7) stop.abort();
    }
  })();
  const fresh = await room.start();
  await fresh.log(7);
  await following;
  expect(told.at(-1)).toBe(7);
  await room.untilState(old.runId, "idle");
  expect(room.values(fresh.runId)).toHaveLength(7);
});

test("a sink that refuses a run ends the waiting with a note, and dead points are told", async () => {
  room.tracker.answer = ({ name, spec, batch }) => {
    if (name === "open" && spec === NEW) return { status: "permanent", reason: "No such project." };
    const rejected = batch.flatMap((record, at) => (record.kind === "point" && record.value < 5 ? [at] : []));
    return rejected.length > 0 ? { status: "permanent", reason: "Too small.", rejected } : "ok";
  };
  const run = await room.start();
  await run.log(20);
  await run.end();
  const answers = await room.sync({ runIds: [run.runId], sinks: [SINK, NEW] });
  expect(answers.at(-1)).toMatchObject({
    done: true,
    runsDelivered: 0,
    points: 40,
    pointsPending: 20,
    pointsDead: 5,
  });
  expect(answers.flatMap(({ notes }) => notes)).toEqual([
    `${NEW} refuses run ${run.runId}: No such project.`,
  ]);
});

test("progress is told at most four times a second", async () => {
  room.tracker.answer = async () => {
    await new Promise((done) => setTimeout(done, 10));
    return "ok" as const;
  };
  const run = await room.start();
  await run.log(6000);
  await run.end();
  const times: number[] = [];
  for await (const _ of room.syncing({ sinks: [SINK] }, AbortSignal.timeout(20_000)))
    times.push(performance.now());
  const gaps = times.slice(1, -1).map((at, index) => at - (times[index] ?? 0));
  expect(times.length).toBeGreaterThan(2);
  expect(Math.min(...gaps)).toBeGreaterThan(200);
});

test("what cannot be done is refused before anything is added", async () => {
  const run = await room.start();
  const refused = async (fields: object, code: string, field: string) =>
    expect(room.sync({ runIds: [run.runId], ...fields })).rejects.toMatchObject({ code, field });
  await refused({ sinks: ["mystery:x"] }, "INVALID_TRACKER_SPEC", "sinks[0]");
  await refused({ tracker: "nobody" }, "INVALID_TRACKER_SPEC", "tracker");
  await refused({ stateFolder: "relative" }, "INVALID_ARGUMENT", "state_folder");
  await refused({ stateFolder: room.stateFolder }, "INVALID_ARGUMENT", "state_folder");
  await refused({ stateFolder: "/nowhere/at/all" }, "INVALID_ARGUMENT", "state_folder");
  await expect(room.sync({ runIds: ["01ARZ3NDEKTSV4RRFFQ69G5FAV"], sinks: [SINK] })).rejects.toMatchObject({
    code: "RUN_NOT_FOUND",
  });
  expect(await room.journal.sinks(run.runId)).toEqual([]);
});

test("a pruned run takes no sink: a note where all were asked for, an error where it was named", async () => {
  const run = await room.start({ sinks: [SINK] });
  await run.log(3);
  await run.end();
  await room.untilState(run.runId, "done");
  await room.journal.prune(run.runId);
  const answers = await room.sync({ sinks: [NEW] });
  expect(answers.at(-1)).toMatchObject({ done: true, runs: 1, points: 0 });
  expect(answers.flatMap(({ notes }) => notes)).toEqual([expect.stringContaining("prune")]);
  await expect(room.sync({ runIds: [run.runId], sinks: [NEW] })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
});
