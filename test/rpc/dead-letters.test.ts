import { ListDeadLettersRequest, RedriveDeadLettersRequest } from "@pipekit/proto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listDeadLetters, redriveDeadLetters } from "../../daemon/rpc/dead-letters.ts";
import { RpcRoom, SINK } from "./room.ts";

let room: RpcRoom;

beforeAll(async () => {
  room = await RpcRoom.open(async () => {
    throw new Error("no folder is opened");
  });
});

afterAll(() => room.close());

const list = (fields: Partial<ListDeadLettersRequest>) =>
  listDeadLetters(room, ListDeadLettersRequest.fromPartial(fields));
const redrive = (fields: Partial<RedriveDeadLettersRequest>) =>
  redriveDeadLetters(room, RedriveDeadLettersRequest.fromPartial(fields));

test("letters are listed in pages with what is in them, and re-driven by run, sink or id", async () => {
  const other = "fake:b/x";
  const run = await room.start({ sinks: [SINK, other] });
  room.tracker.answer = ({ batch }) => {
    const rejected = batch.flatMap((record, at) =>
      record.kind === "point" && record.value % 10 < 2 ? [at] : [],
    );
    return rejected.length > 0 ? { status: "permanent", reason: "Bad digits.", rejected } : "ok";
  };
  await run.log(30);
  await run.append({ $case: "params", value: { paramsJson: '{"lr":0.1}' } });
  await run.end();
  for (const spec of [SINK, other]) await room.untilState(run.runId, "done", spec);

  const first = await list({ runId: run.runId, sink: "fake:A/x", pageSize: 2, withRecords: true });
  expect(first).toMatchObject({ more: true, deadLetters: [{ runId: run.runId, spec: SINK, points: 2 }, {}] });
  expect(first.records[1]?.lines).toEqual(["loss = 10 at step 10", "loss = 11 at step 11"]);
  const afterId = first.deadLetters.at(-1)?.id ?? 0;
  const last = await list({ runId: run.runId.slice(0, 10), sink: SINK, pageSize: 2, afterId });
  expect(last).toMatchObject({ more: false, deadLetters: [{ points: 2 }], records: [] });
  expect((await list({})).deadLetters).toHaveLength(6);

  const [one] = first.deadLetters;
  expect(await redrive({ ids: [one?.id ?? 0] })).toEqual({
    taken: 0,
    refused: 1,
    waiting: 0,
    pointsTaken: 0,
  });
  expect((await list({ runId: run.runId })).deadLetters).toHaveLength(6);
  room.tracker.answer = () => "ok";
  expect(await redrive({ runId: run.runId, sink: SINK })).toMatchObject({ taken: 3, pointsTaken: 6 });
  expect(await redrive({ runId: run.runId })).toMatchObject({ taken: 3, pointsTaken: 6 });
  for (const spec of [SINK, other]) await room.untilState(run.runId, "done", spec);
  expect(room.values(run.runId).toSorted((a, b) => a - b)).toHaveLength(30);
  expect((await list({})).deadLetters).toEqual([]);
  expect((await room.journal.totals()).deadLetters).toBe(0);
  expect(await room.journal.sinks(run.runId)).toMatchObject([
    { pointsSent: 30, pointsDead: 0, pointsShown: 30 },
    { pointsSent: 30, pointsDead: 0, pointsShown: 30 },
  ]);
});

test("a request that names nothing, or what there is not, is refused", async () => {
  await expect(redrive({})).rejects.toMatchObject({ code: "INVALID_ARGUMENT", field: "run_id" });
  await expect(list({ runId: "01ARZ3NDEKTSV4RRFFQ69G5FAV" })).rejects.toMatchObject({
    code: "RUN_NOT_FOUND",
  });
  await expect(list({ pageSize: 1001 })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    field: "page_size",
  });
  expect(await redrive({ ids: [4_000_000] })).toEqual({ taken: 0, refused: 0, waiting: 0, pointsTaken: 0 });
});
