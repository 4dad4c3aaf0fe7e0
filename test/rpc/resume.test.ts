import { Frame, type LogResponse, PipekitError } from "@pipekit/proto";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openForeignJournal } from "../../daemon/journal/index.ts";
import { numbers } from "../delivery/room.ts";
import { outcome } from "../journal/fixture.ts";
import { RpcRoom, SINK, Writer } from "./room.ts";

const OTHER = "fake:b/x";
const value = { resumedAtUs: 1, client: "", host: "h", pid: 0, reason: "" };
const never = new AbortController().signal;
let room: RpcRoom;
let there: RpcRoom;

beforeEach(async () => {
  const open = (file: string) => openForeignJournal(file, pino({ level: "silent" }));
  [room, there] = await Promise.all([RpcRoom.open(open), RpcRoom.open(open)]);
});

afterEach(() => Promise.all([room.close(), there.close()]));

function refusalOf({ rejection }: LogResponse): unknown {
  return rejection && PipekitError.fromDetail(rejection).code;
}

test("a resume starts the run where there is none, and then goes on with it: name, config and sinks stay", async () => {
  const first = new Writer(room);
  await first.resume({ name: "first", configJson: '{"lr":1}', sinks: [SINK] });
  expect(await room.journal.run(first.runId)).toMatchObject({ start: { name: "first" }, resume: undefined });
  await first.log(3);
  await first.end();
  await room.untilState(first.runId, "done");

  const second = new Writer(room, first.runId);
  const tags = { more: "1" };
  await second.resume({
    name: "second",
    configJson: '{"lr":2}',
    sinks: [SINK, OTHER],
    tracker: "team",
    tags,
  });
  await second.log(2);
  const run = await room.journal.run(first.runId);
  const kept = { start: { name: "first", configJson: '{"lr":1}', sinks: [SINK] }, tags: {} };
  expect(run).toMatchObject({ ...kept, state: "running", points: 5, resume: { pid: process.pid } });
  await second.end();
  for (const spec of [SINK, OTHER, "fake:team/x"]) {
    await room.untilState(first.runId, "done", spec);
    expect(room.values(first.runId, spec)).toEqual(numbers(5));
  }
  expect(await outcome(second.log(1))).toBe("RUN_ENDED");
});

test("a resume that is sent again, or over a stream, is harmless, and its faults cost nothing else", async () => {
  const first = new Writer(room);
  await first.resume();
  await first.log(2);
  await first.end();
  const second = new Writer(room, first.runId);
  const bad = {
    $case: "start" as const,
    value: { ...(await room.journal.run(first.runId)).start, configJson: "[" },
  };
  const resume = second.frame({ $case: "resume", value }, bad);
  for (let i = 0; i < 2; i++) {
    const { result } = room.intake.begin(Frame.decode(Frame.encode(resume).finish()), never);
    expect(refusalOf(await result)).toBe("INVALID_CONFIG");
  }
  await second.log(1);
  expect(await room.journal.run(first.runId)).toMatchObject({ state: "running", points: 3 });
  const lost = new Writer(room).frame({ $case: "resume", value });
  expect(refusalOf(await room.intake.begin(lost, never).result)).toBe("RUN_NOT_FOUND");
});

test("of many processes that resume one run, one starts it, and all write it", async () => {
  const runId = new Writer(room).runId;
  const writers = Array.from({ length: 8 }, () => new Writer(room, runId));
  await Promise.all(writers.map((writer, i) => writer.resume({ name: `n${i}`, sinks: [SINK] })));
  await Promise.all(writers.map((writer) => writer.log(5)));
  expect(await room.journal.run(runId)).toMatchObject({ points: 40, state: "running" });
  expect(await room.journal.sinks(runId)).toHaveLength(1);
});

test("a run that is pruned is not resumed, and gets no sink", async () => {
  const first = new Writer(room);
  await first.resume({ sinks: [SINK] });
  await first.end();
  await room.untilState(first.runId, "done");
  await room.journal.prune(first.runId);
  const second = new Writer(room, first.runId);
  expect(await outcome(second.resume({ sinks: [OTHER] }))).toBe("RUN_PRUNED");
  const late = new Writer(room, first.runId).frame({ $case: "resume", value });
  expect(refusalOf(await room.intake.begin(late, never).result)).toBe("RUN_PRUNED");
  expect(await room.journal.sinks(first.runId)).toHaveLength(1);
});

test("a run that is resumed in another folder is taken in again: what is new comes, and its sinks go on", async () => {
  const first = await there.start({ pid: process.pid });
  await first.log(4);
  await first.end();
  const take = () => room.sync({ stateFolder: there.stateFolder, sinks: [OTHER] });
  expect((await take()).at(-1)).toMatchObject({ framesTaken: 3, runsDelivered: 1, notes: [] });
  const second = new Writer(there, first.runId);
  await second.resume();
  await second.log(3);
  expect((await take()).at(-1)).toMatchObject({ framesTaken: 2, points: 7 });
  const run = await room.journal.run(first.runId);
  expect(run).toMatchObject({ state: "running", points: 7, resume: { pid: 0, writerId: second.writerId } });
  await second.end();
  expect((await take()).at(-1)).toMatchObject({ framesTaken: 1, runsDelivered: 1, pointsPending: 0 });
  expect(room.values(first.runId, OTHER)).toEqual(numbers(7));
  expect((await take()).at(-1)).toMatchObject({ framesTaken: 0 });
});
