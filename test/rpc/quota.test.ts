import { PipekitError } from "@pipekit/proto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RpcRoom, SINK } from "./room.ts";

let room: RpcRoom;
let isFull = false;

beforeAll(async () => {
  const open = async () => {
    throw new Error("no folder is opened");
  };
  room = await RpcRoom.open(open, async () => {
    if (isFull) throw new PipekitError("STORAGE_FULL", "Full.", { mend: "pkx prune" });
  });
});

afterAll(() => room.close());

test("at the quota frames are refused, to be sent again, while runs end and are delivered", async () => {
  const signal = new AbortController().signal;
  const run = await room.start({ sinks: [SINK] });
  await run.log(5);
  isFull = true;
  await expect(room.start()).rejects.toMatchObject({ code: "STORAGE_FULL" });
  const frame = run.frame(room.points(3));
  await expect(room.intake.begin(frame, signal).result).rejects.toMatchObject({ code: "STORAGE_FULL" });
  isFull = false;
  await expect(room.intake.begin(frame, signal).result).resolves.toMatchObject({ rejection: undefined });
  isFull = true;
  await run.end();
  await room.untilState(run.runId, "done");
  expect(room.values(run.runId)).toHaveLength(8);
  isFull = false;
});
