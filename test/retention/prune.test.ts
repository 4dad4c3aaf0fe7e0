import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AutoPrune, type Prune, type PruneChoice, prunes } from "../../daemon/retention/index.ts";
import { RpcRoom, SINK, type Writer } from "../rpc/room.ts";

let room: RpcRoom;

beforeEach(async () => {
  room = await RpcRoom.open(async () => {
    throw new Error("no folder is opened");
  });
});

afterEach(() => room.close());

async function prune(choice: Partial<PruneChoice> = {}): Promise<Prune[]> {
  const all = { olderThanS: 0, runIds: [], apply: false, withoutSinks: false, ...choice };
  const told: Prune[] = [];
  for await (const message of prunes(room, all, new AbortController().signal)) told.push(message);
  return told;
}

/** An ended run with an artifact of this text; the sink has it all unless it is none. */
async function endedRun(text: string, sinks = [SINK]): Promise<Writer & { readonly file: string }> {
  const path = join(room.stateFolder, "..", text);
  writeFileSync(path, text);
  const run = await room.start({ sinks, name: text });
  await run.log(40);
  await run.attach("file", path);
  await run.end();
  if (sinks.length > 0) await room.untilState(run.runId, "done");
  const { artifacts } = await room.journal.run(run.runId);
  return Object.assign(run, { file: room.content.pathOf(artifacts[0]?.files[0]?.sha256 ?? "") });
}

const byRun = (told: readonly Prune[]) => new Map(told.map((message) => [message.runId, message]));

test("a dry run tells what would go and why the rest stays, and changes nothing", async () => {
  const shared = await endedRun("shared");
  const twin = await endedRun("shared");
  const own = await endedRun("own");
  const sinkless = await endedRun("sinkless", []);
  room.tracker.answer = ({ name }) => (name === "open" ? { status: "permanent", reason: "No." } : "ok");
  const refused = await room.start({ sinks: [SINK] });
  await refused.end();
  await room.untilState(refused.runId, "refused");
  room.tracker.answer = ({ batch }) =>
    batch.some(({ kind }) => kind === "point") ? { status: "permanent", reason: "No points." } : "ok";
  const dead = await room.start({ sinks: [SINK] });
  await dead.log(3);
  await dead.end();
  await room.untilState(dead.runId, "done");
  const running = await room.start({ sinks: [SINK] });

  const told = await prune({
    runIds: [...[shared, twin, own, sinkless, refused, dead, running]].map((r) => r.runId),
  });
  const kept = [sinkless, refused, dead, running].map(({ runId }) => byRun(told).get(runId)?.kept);
  expect(kept).toEqual([
    "It has no sink: its points are nowhere else.",
    `${SINK} refuses it: No.`,
    "It has a dead letter.",
    "It is still running.",
  ]);
  const sum = told.at(-1);
  expect(sum).toMatchObject({ done: true, runs: 3, points: 120, contentBytes: 9, runId: "" });
  expect(sum?.journalBytes).toBeGreaterThan(100);
  expect(byRun(told).get(own.runId)).toMatchObject({ kept: "", name: "own", points: 40, contentBytes: 3 });
  expect((await room.journal.run(own.runId)).prunedAtUs).toBe(0);
  expect(existsSync(own.file)).toBe(true);
  await expect(prune({ runIds: ["01ARZ3NDEKTSV4RRFFQ69G5FAV"] })).rejects.toMatchObject({
    code: "RUN_NOT_FOUND",
  });
});

test("with apply the records and the files that nobody else has go; age and sinks are heeded", async () => {
  const first = await endedRun("shared");
  const second = await endedRun("shared");
  const own = await endedRun("own");
  const sinkless = await endedRun("sinkless", []);
  expect(await prune({ apply: true, olderThanS: 3600 })).toMatchObject([{ done: true, runs: 0 }]);
  const later = byRun(await prune({ apply: true, olderThanS: 3600, runIds: [own.runId] }));
  expect(later.get(own.runId)?.kept).toBe("It has ended later than that.");

  await prune({ apply: true, runIds: [first.runId, own.runId] });
  expect([first, second, own, sinkless].map(({ file }) => existsSync(file))).toEqual([
    true,
    true,
    false,
    true,
  ]);
  expect(await room.journal.run(own.runId)).toMatchObject({ points: 40, prunedAtUs: expect.any(Number) });
  expect(byRun(await prune({ runIds: [own.runId] })).get(own.runId)?.kept).toBe("It is pruned already.");
  const last = await prune({ apply: true, withoutSinks: true });
  expect(last.at(-1)).toMatchObject({ runs: 2, contentBytes: 14 });
  expect([second, sinkless].map(({ file }) => existsSync(file))).toEqual([false, false]);
});

test("by itself the daemon prunes runs of that age that all their sinks have, and no others", async () => {
  const done = await endedRun("done");
  const sinkless = await endedRun("sinkless", []);
  const infos: object[] = [];
  const log = { info: (fields: object) => infos.push(fields), error: (fields: object) => infos.push(fields) };
  const nowUs = () => (Date.now() + 2 * 86_400_000) * 1000;
  await new AutoPrune({ ...room, nowUs } as never, 3, log as never).prune();
  expect((await room.journal.run(done.runId)).prunedAtUs).toBe(0);
  await new AutoPrune({ journal: room.journal, content: room.content, nowUs }, 1, log as never).prune();
  expect((await room.journal.run(done.runId)).prunedAtUs).toBeGreaterThan(0);
  expect((await room.journal.run(sinkless.runId)).prunedAtUs).toBe(0);
  expect(infos).toMatchObject([{ runs: 1, points: 40 }]);
});

test("files that are attached while a prune runs are not lost", async () => {
  for (let round = 0; round < 5; round++) {
    await endedRun(`old${round}`);
    const [, fresh] = await Promise.all([prune({ apply: true }), endedRun(`old${round}`, [])]);
    expect(existsSync(fresh.file)).toBe(true);
  }
});
