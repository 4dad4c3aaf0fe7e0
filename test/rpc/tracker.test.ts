import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import {
  type AttachArtifactResponse,
  type EndRunResponse,
  type Frame,
  type GetRunResponse,
  type LogResponse,
  PipekitError,
  packRows,
  type Record,
  RunStart,
  RunState,
  type StartRunResponse,
  TrackerServiceClient,
} from "@pipekit/proto";
import { ulid } from "ulid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;
let client: TrackerServiceClient;

beforeAll(async () => {
  daemon = await startDaemon();
  client = new TrackerServiceClient(daemon.endpoint, credentials.createInsecure());
});

afterAll(async () => {
  client.close();
  await daemon.stop();
});

/** Makes a unary call; a refusal comes back as its typed failure. */
function call<A>(make: (callback: (error: ServiceError | null, answer: A) => void) => unknown): Promise<A> {
  return new Promise((done, fail) => {
    make((error, answer) => {
      if (error === null) done(answer);
      else fail(PipekitError.fromServiceError(error));
    });
  });
}

/** Sends frames over one Log stream and returns its answers. */
async function log(...frames: Frame[]): Promise<LogResponse[]> {
  const stream = client.log();
  for (const frame of frames) stream.write({ frame });
  stream.end();
  const answers: LogResponse[] = [];
  for await (const answer of stream) answers.push(answer as LogResponse);
  return answers;
}

interface Writer {
  readonly runId: string;
  readonly writerId: string;
}

function frame({ runId, writerId }: Writer, seq: number, ...records: NonNullable<Record["record"]>[]): Frame {
  return { runId, writerId, seq, records: records.map((record) => ({ record })) };
}

function start(fields: Partial<RunStart> = {}): NonNullable<Record["record"]> {
  return {
    $case: "start",
    value: RunStart.fromPartial({ name: "r", startedAtUs: Date.now() * 1000, ...fields }),
  };
}

function points(key: string, ...values: number[]): NonNullable<Record["record"]> {
  const keys = [key];
  return {
    $case: "metrics",
    value: packRows(values.map((value, step) => ({ keys, step, timeUs: 1, values: [value] }))),
  };
}

async function startRun(fields: Partial<RunStart> = {}): Promise<Writer> {
  const writer = { runId: ulid(), writerId: ulid() };
  await call<StartRunResponse>((done) => client.startRun({ frame: frame(writer, 1, start(fields)) }, done));
  return writer;
}

async function run(runId: string) {
  const answer = await call<GetRunResponse>((done) => client.getRun({ runId }, done));
  if (answer.run === undefined) throw new Error("no run");
  return answer.run;
}

function stagedFile(text: string): string {
  const folder = join(daemon.stateFolder, "staging", ulid());
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "file.txt");
  writeFileSync(path, text);
  return path;
}

test("a bad record costs itself: the rest of its frame and the frames after it are kept", async () => {
  const writer = await startRun();
  const answers = await log(
    frame(writer, 2, points("good", 1, 2), points("x".repeat(1 << 20), 3), points("also", 4)),
    frame(writer, 3, points("x\u0000", 5)),
    frame(writer, 4, points("after", 6)),
  );
  expect(answers.map(({ ackedSeq, rejection }) => [ackedSeq, rejection?.field])).toEqual([
    [2, "key_sets[0]"],
    [3, "key_sets[0]"],
    [4, undefined],
  ]);
  expect(answers[0]?.rejection?.message).toContain("1048576 bytes; at most 1024");
  const { series } = await run(writer.runId);
  expect(series.map(({ key, points }) => [key, points])).toEqual([
    ["after", 1],
    ["also", 1],
    ["good", 2],
  ]);
});

test("steps and columns at fault are named", async () => {
  const writer = await startRun();
  const columns = packRows([{ keys: ["a"], step: 1, timeUs: 1, values: [1] }]);
  const beyond = { ...columns, rowStep: Buffer.from("ffffffffffffff7f", "hex") };
  const short = { ...columns, values: Buffer.alloc(0) };
  const answers = await log(
    frame(writer, 2, { $case: "metrics", value: beyond }),
    frame(writer, 3, { $case: "metrics", value: short }),
  );
  expect(answers.map(({ rejection }) => rejection?.field)).toEqual(["row_step[0]", "values"]);
  expect((await run(writer.runId)).points).toBe(0);
});

test("what can never be accepted is answered; the stream goes on for others", async () => {
  const ended = await startRun();
  const good = await startRun();
  const end = { state: RunState.RUN_STATE_COMPLETED, reason: "", endedAtUs: 5 };
  await call<EndRunResponse>((done) => client.endRun({ ...ended, seq: 2, end }, done));
  const stranger = { runId: ulid(), writerId: ulid() };
  const answers = await log(
    frame(ended, 3, points("late", 1)),
    frame(stranger, 1, points("lost", 1)),
    frame(good, 9, points("gap", 1)),
    frame(good, 2, points("fine", 1)),
  );
  const failures = answers.map(({ rejection }) => rejection && PipekitError.fromDetail(rejection).code);
  expect(failures).toEqual(["RUN_ENDED", "RUN_NOT_FOUND", "INVALID_FRAME", undefined]);
  await expect(run(stranger.runId)).rejects.toMatchObject({
    code: "RUN_NOT_FOUND",
  });
});

test("a replay is acknowledged and changes nothing", async () => {
  const writer = await startRun();
  const sent = frame(writer, 2, points("a", 1, 2, 3));
  await log(sent);
  expect(await log(sent, frame(writer, 3, points("a", 4)), sent)).toMatchObject([
    { ackedSeq: 2 },
    { ackedSeq: 3 },
    { ackedSeq: 2 },
  ]);
  expect((await run(writer.runId)).points).toBe(4);
});

test("StartRun refuses a wrong spec before anything is written, and says how to mend it", async () => {
  for (const [field, fields] of [
    ["sinks", { sinks: ["mlflow://"] }],
    ["sinks", { sinks: ["mystery://x"] }],
    ["tracker", { tracker: "nobody" }],
    ["config_json", { configJson: "[1]" }],
    ["config_json", { configJson: '{"a": NaN}' }],
  ] as const) {
    const writer = { runId: ulid(), writerId: ulid() };
    const request = { frame: frame(writer, 1, start(fields as Partial<RunStart>)) };
    const failure = await call<StartRunResponse>((done) => client.startRun(request, done)).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({
      code: field === "config_json" ? "INVALID_CONFIG" : "INVALID_TRACKER_SPEC",
      mend: expect.stringMatching(/\w/),
    });
    await expect(run(writer.runId)).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  }
});

test("a start that comes by Log keeps its run although a spec is wrong", async () => {
  const writer = { runId: ulid(), writerId: ulid() };
  const answers = await log(
    frame(writer, 1, start({ sinks: ["mlflow://"] })),
    frame(writer, 2, points("a", 1)),
  );
  expect(answers[0]?.rejection).toMatchObject({
    field: expect.any(String),
    mend: expect.stringContaining("mlflow"),
  });
  expect(await run(writer.runId)).toMatchObject({ points: 1, sinks: [] });
});

test("a staged artifact is taken, its frame may be replayed, and the file is gone once it is safe", async () => {
  const writer = await startRun();
  const path = stagedFile("plot");
  const artifact = { name: "plots/loss.txt", path, staged: true, files: [], uri: "" };
  const sent = frame(writer, 2, { $case: "artifact", value: artifact });
  expect(await log(sent, sent)).toMatchObject([{ rejection: undefined }, { rejection: undefined }]);
  expect(existsSync(path)).toBe(false);
  const { artifacts } = await run(writer.runId);
  expect(artifacts).toMatchObject([{ name: "plots/loss.txt", path: "", files: [{ path: "", size: 4 }] }]);
  const digest = artifacts[0]?.files[0]?.sha256 ?? "";
  const kept = join(daemon.stateFolder, "content/sha256", digest.slice(0, 2), digest.slice(2));
  expect(readFileSync(kept, "utf8")).toBe("plot");
});

test("a staged artifact of a run that does not exist stays where it is", async () => {
  const path = stagedFile("kept");
  const artifact = { name: "a", path, staged: true, files: [], uri: "" };
  const answers = await log(
    frame({ runId: ulid(), writerId: ulid() }, 1, { $case: "artifact", value: artifact }),
  );
  expect(answers[0]?.rejection?.message).toContain("run");
  expect(readFileSync(path, "utf8")).toBe("kept");
});

test("AttachArtifact copies, and refuses bad names and missing files", async () => {
  const writer = await startRun();
  const path = join(daemon.home, "note.txt");
  writeFileSync(path, "note");
  const attach = (seq: number, name: string, from: string) =>
    call<AttachArtifactResponse>((done) =>
      client.attachArtifact(
        { ...writer, seq, artifact: { name, path: from, staged: false, files: [], uri: "" } },
        done,
      ),
    );
  for (const name of ["../up", "/abs", "", "a//b", "a/./b"]) {
    await expect(attach(2, name, path)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      field: "artifact.name",
    });
  }
  await expect(attach(2, "a", join(daemon.home, "nothing"))).rejects.toMatchObject({
    code: "ARTIFACT_UNREADABLE",
  });
  expect(await attach(2, "a", path)).toMatchObject({ artifact: { name: "a", files: [{ size: 4 }] } });
  expect(readFileSync(path, "utf8")).toBe("note");
});

test("ids that are no ULIDs and frames that start at 0 are refused", async () => {
  const writer = await startRun();
  const answers = await log(
    frame({ ...writer, writerId: "me" }, 1, points("a", 1)),
    frame({ ...writer, runId: "../x" }, 1, points("a", 1)),
    frame({ ...writer, writerId: ulid() }, 0, points("a", 1)),
  );
  expect(answers.map(({ rejection }) => rejection?.field)).toEqual(["writer_id", "run_id", "seq"]);
});
