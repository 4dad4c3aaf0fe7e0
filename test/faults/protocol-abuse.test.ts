/** What a broken or hostile client may send: the daemon answers or refuses, stays up, and its memory comes back. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectSocket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { credentials, type ServiceError, status } from "@grpc/grpc-js";
import {
  type Frame,
  type GetRunResponse,
  type LogResponse,
  PipekitError,
  packRows,
  type Record,
  RunStart,
  type StartRunResponse,
  TrackerServiceClient,
} from "@pipekit/proto";
import { ulid } from "ulid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { until } from "./trainer.ts";

const LOG = "/pipekit.experiment.v1.TrackerService/Log";
const MIB = 1024 * 1024;
/** Clients otherwise share connections. */
const OWN_CONNECTION = { "grpc.use_local_subchannel_pool": 1 };

let daemon: TestDaemon;
let client: TrackerServiceClient;
let quietMib = 0;

function rssMib(): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${daemon.pid}/status`, "utf8"))?.[1];
  return Number(line) / 1024;
}

function openFiles(): number {
  return Number(readFileSync(`/proc/${daemon.pid}/status`, "utf8").match(/FDSize:\s+(\d+)/)?.[1]);
}

beforeAll(async () => {
  daemon = await startDaemon();
  client = new TrackerServiceClient(daemon.endpoint, credentials.createInsecure());
  await startRun();
  quietMib = rssMib();
});

afterAll(async () => {
  client.close();
  await daemon.stop();
});

function call<A>(make: (callback: (error: ServiceError | null, answer: A) => void) => unknown): Promise<A> {
  return new Promise((done, fail) => {
    make((error, answer) => (error === null ? done(answer) : fail(error)));
  });
}

interface Writer {
  readonly runId: string;
  readonly writerId: string;
}

function frame({ runId, writerId }: Writer, seq: number, ...records: NonNullable<Record["record"]>[]): Frame {
  return { runId, writerId, seq, records: records.map((record) => ({ record })) };
}

function point(value: number): NonNullable<Record["record"]> {
  return { $case: "metrics", value: packRows([{ keys: ["a"], step: value, timeUs: 1, values: [value] }]) };
}

async function startRun(): Promise<Writer> {
  const writer = { runId: ulid(), writerId: ulid() };
  const start = RunStart.fromPartial({ name: "abuse", startedAtUs: 1 });
  await call<StartRunResponse>((done) =>
    client.startRun({ frame: frame(writer, 1, { $case: "start", value: start }) }, done),
  );
  return writer;
}

async function pointsOf(runId: string): Promise<number> {
  const { run } = await call<GetRunResponse>((done) => client.getRun({ runId }, done));
  return run?.points ?? -1;
}

/** Sends bytes as the message of a Log call and resolves to the status that it ends with. */
async function rawLog(...messages: Buffer[]): Promise<number> {
  const raw = new TrackerServiceClient(daemon.endpoint, credentials.createInsecure(), OWN_CONNECTION);
  const same = (bytes: Buffer) => bytes;
  const stream = raw.makeBidiStreamRequest<Buffer, Buffer>(LOG, same, same);
  stream.on("data", () => undefined);
  const code = new Promise<number>((done) => {
    stream.on("error", (error: ServiceError) => done(error.code));
    stream.on("end", () => done(status.OK));
  });
  for (const message of messages) stream.write(message);
  stream.end();
  try {
    return await code;
  } finally {
    raw.close();
  }
}

test("bytes that are no message, no gRPC or no HTTP end their own call or connection only", async () => {
  const writer = await startRun();
  const stream = client.log();
  stream.write({ frame: frame(writer, 2, point(1)) });
  await once(stream, "data");

  expect(await rawLog(Buffer.from("garbage, garbage, garbage"))).not.toBe(status.OK);
  expect(await rawLog(Buffer.alloc(1000, 0xff))).not.toBe(status.OK);
  expect(await rawLog(Buffer.alloc(0))).toBe(status.INVALID_ARGUMENT);

  const noise = connectSocket(daemon.socketPath);
  noise.on("error", () => undefined).resume();
  noise.write(Buffer.from("GET / HTTP/1.1\r\n\r\n".repeat(100)));
  await once(noise, "close");

  const session = connectHttp2("http://localhost", {
    createConnection: () => connectSocket(daemon.socketPath),
  });
  session.on("error", () => undefined);
  const headers = { ":method": "POST", ":path": LOG, "content-type": "application/grpc", te: "trailers" };
  // A length of 4 GiB that never comes, and a message that is cut off by the end of the connection.
  for (const head of ["00ffffffff", "0000001000"]) {
    const request = session.request(headers);
    request.on("error", () => undefined);
    request.write(Buffer.from(head, "hex"));
  }
  await sleep(50);
  session.destroy();

  stream.write({ frame: frame(writer, 3, point(2)) });
  const [answer] = (await once(stream, "data")) as [LogResponse];
  expect(answer).toMatchObject({ ackedSeq: 3, rejection: undefined });
  stream.end();
  expect(await pointsOf(writer.runId)).toBe(2);
});

test("a message of 17 MiB and a number beyond 2^53 are refused; the next call is served", async () => {
  const writer = await startRun();
  expect(await rawLog(Buffer.alloc(17 * MIB))).toBe(status.RESOURCE_EXHAUSTED);
  // Field 1 (frame) of 11 bytes with field 2 (seq), the largest uint64.
  const huge = Buffer.from([0x0a, 11, 0x10, ...Array<number>(9).fill(0xff), 0x01]);
  expect(await rawLog(huge)).not.toBe(status.OK);
  const stream = client.log();
  for (const seq of [0, Number.MAX_SAFE_INTEGER, 3]) stream.write({ frame: frame(writer, seq, point(1)) });
  stream.end();
  const codes: string[] = [];
  for await (const { rejection } of stream as AsyncIterable<LogResponse>) {
    codes.push(rejection === undefined ? "" : PipekitError.fromDetail(rejection).code);
  }
  expect(codes).toEqual(["INVALID_FRAME", "INVALID_FRAME", "INVALID_FRAME"]);
  expect(await pointsOf(writer.runId)).toBe(0);
});

test("a client that sends 10 000 frames and reads no answer is held back, and loses nothing once it reads", async () => {
  const writer = await startRun();
  const stream = client.log();
  stream.pause();
  for (let seq = 2; seq <= 10_001; seq++) stream.write({ frame: frame(writer, seq, point(seq)) });
  stream.end();
  await sleep(300);
  const other = await startRun();
  expect(await pointsOf(other.runId)).toBe(0);
  let acked = 1;
  for await (const { ackedSeq } of stream as AsyncIterable<LogResponse>) expect(ackedSeq).toBe(++acked);
  expect(acked).toBe(10_001);
  expect(await pointsOf(writer.runId)).toBe(10_000);
});

test("a thousand Log streams at once, and a thousand watches dropped, leave nothing behind", {
  timeout: 30_000,
}, async () => {
  const writers = await Promise.all(Array.from({ length: 4 }, startRun));
  const streams = Array.from({ length: 1000 }, (_, i) => {
    const stream = client.log();
    const writer = { runId: writers[i % 4]?.runId ?? "", writerId: ulid() };
    stream.write({ frame: frame(writer, 1, point(i)) });
    return { stream, answered: once(stream, "data") as Promise<[LogResponse]> };
  });
  for (const { answered } of streams) {
    const [answer] = await answered;
    expect(answer.rejection).toBeUndefined();
  }
  for (const [i, { stream }] of streams.entries()) {
    stream.on("error", () => undefined);
    if (i % 2 === 0) stream.end();
    else stream.cancel();
  }
  const points = await Promise.all(writers.map(({ runId }) => pointsOf(runId)));
  expect(points).toEqual([250, 250, 250, 250]);

  const files = openFiles();
  for (let i = 0; i < 1000; ) {
    // Node ends a connection on which more than a thousand streams are reset in short time.
    const watcher = new TrackerServiceClient(daemon.endpoint, credentials.createInsecure(), OWN_CONNECTION);
    const runIds = [writers[i % 4]?.runId ?? ""];
    for (const next = i + 250; i < next; i++) {
      const watch = watcher.watchRuns({ runIds });
      watch.on("error", () => undefined);
      if (i % 3 > 0) await once(watch, "data");
      watch.cancel();
    }
    watcher.close();
  }
  expect(openFiles()).toBe(files);
  // Nobody waits for these frames: a watch that was not let go of would still read the run each time.
  const { runId } = await startRun();
  expect(await pointsOf(runId)).toBe(0);
});

test("after all that the daemon's memory comes back", { timeout: 30_000 }, async () => {
  expect(daemon.child.exitCode).toBeNull();
  await until(() => rssMib() < quietMib + 100, 20_000);
  console.log(`resident: ${quietMib.toFixed(0)} MiB before, ${rssMib().toFixed(0)} MiB after`);
  expect(daemon.stderr()).toBe("");
});
