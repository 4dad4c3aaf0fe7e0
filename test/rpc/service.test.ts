import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ClientReadableStream, credentials, type ServiceError } from "@grpc/grpc-js";
import {
  DaemonServiceClient,
  type EndRunResponse,
  type ListRunsResponse,
  PipekitError,
  PruneRequest,
  type PruneResponse,
  packRows,
  type Run,
  RunStart,
  RunState,
  SinkState,
  type SinkStatusResponse,
  type StartRunResponse,
  type StatusResponse,
  SyncRequest,
  type SyncResponse,
  TrackerServiceClient,
  type WatchRunsResponse,
} from "@pipekit/proto";
import { ulid } from "ulid";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";

let daemon: TestDaemon;
let tracker: TrackerServiceClient;
let host: DaemonServiceClient;

beforeEach(() => serve());

afterEach(async () => {
  tracker.close();
  host.close();
  await daemon.stop();
});

async function serve(env: { [name: string]: string } = {}): Promise<void> {
  daemon = await startDaemon({ env });
  tracker = new TrackerServiceClient(daemon.endpoint, credentials.createInsecure());
  host = new DaemonServiceClient(daemon.endpoint, credentials.createInsecure());
}

function call<A>(make: (done: (error: ServiceError | null, answer: A) => void) => unknown): Promise<A> {
  return new Promise((done, fail) => {
    make((error, answer) => (error === null ? done(answer) : fail(PipekitError.fromServiceError(error))));
  });
}

async function all<A>(stream: ClientReadableStream<A>): Promise<A[]> {
  const answers: A[] = [];
  for await (const answer of stream) answers.push(answer as A);
  return answers;
}

/** A run with points; `sinks` are given to its start. */
async function startRun(sinks: readonly string[], points: number, ends: boolean): Promise<string> {
  const [runId, writerId] = [ulid(), ulid()];
  const value = RunStart.fromPartial({ name: "r", startedAtUs: Date.now() * 1000, sinks: [...sinks] });
  const rows = Array.from({ length: points }, (_, step) => ({
    keys: ["a"],
    step,
    timeUs: 1,
    values: [step],
  }));
  const records = [
    { record: { $case: "start" as const, value } },
    { record: { $case: "metrics" as const, value: packRows(rows) } },
  ];
  await call<StartRunResponse>((done) =>
    tracker.startRun({ frame: { runId, writerId, seq: 1, records } }, done),
  );
  const end = { state: RunState.RUN_STATE_COMPLETED, reason: "", endedAtUs: Date.now() * 1000 };
  if (ends) await call<EndRunResponse>((done) => tracker.endRun({ runId, writerId, seq: 2, end }, done));
  return runId;
}

const list = (unfinished: boolean) =>
  call<ListRunsResponse>((done) =>
    tracker.listRuns(
      { pageSize: 0, pageToken: "", state: RunState.RUN_STATE_UNSPECIFIED, nameContains: "", unfinished },
      done,
    ),
  );

test("the lag of a sink that is away is told by every call, and a watcher sees a sink that is added", async () => {
  const before = Date.now() * 1000;
  const down = `mlflow+http://127.0.0.1:${await freePort()}/lag`;
  const run = await startRun([], 25, true);
  const done = await startRun([], 5, true);
  const watching = tracker.watchRuns({ runIds: [run] });
  const seen: Run[] = [];
  watching.on("error", () => undefined);
  const first = Promise.withResolvers<void>();
  const retrying = new Promise<Run>((found) => {
    watching.on("data", (answer: WatchRunsResponse) => {
      if (answer.run === undefined) return;
      seen.push(answer.run);
      first.resolve();
      if (answer.run.sinks[0]?.state === SinkState.SINK_STATE_RETRYING) found(answer.run);
    });
  });
  await first.promise;
  const syncing = tracker.sync(SyncRequest.fromPartial({ runIds: [run], sinks: [down] }));
  syncing.on("error", () => undefined);
  const told = new Promise<SyncResponse>((heard) => syncing.once("data", heard));
  const { sinks } = await retrying;
  const lag = {
    spec: expect.stringMatching(/lag$/),
    pointsPending: 25,
    pointsSent: 0,
    lastError: expect.stringMatching(/\w/),
  };
  expect(sinks).toMatchObject([lag]);
  expect(sinks[0]?.pendingSinceUs).toBeGreaterThanOrEqual(before);
  expect(sinks[0]?.pendingSinceUs).toBeLessThanOrEqual(Date.now() * 1000);
  expect(sinks[0]?.retryAtUs).toBeGreaterThan(before);
  expect(seen[0]?.sinks).toEqual([]);
  expect(await told).toMatchObject({ runs: 1, points: 25, pointsPending: 25, done: false });
  const status = await call<SinkStatusResponse>((answer) => tracker.sinkStatus({ runId: run }, answer));
  expect(status.sinks).toMatchObject([{ ...lag, pendingSinceUs: sinks[0]?.pendingSinceUs }]);
  const everything = await list(false);
  expect(everything.runs.map(({ runId }) => runId)).toEqual([done, run]);
  expect(everything.runs[1]?.sinks).toMatchObject([lag]);
  const open = await list(true);
  expect(open.runs.map(({ runId }) => runId)).toEqual([run]);
  watching.cancel();
  syncing.cancel();
});

test("Prune tells by default and forgets on demand; Status tells of the disk", async () => {
  const run = await startRun([], 50, true);
  const prune = (fields: Partial<PruneRequest>) =>
    all<PruneResponse>(host.prune(PruneRequest.fromPartial({ withoutSinks: true, ...fields })));
  expect(await prune({})).toMatchObject([
    { runId: run, kept: "", points: 50, done: false },
    { done: true, runs: 1, points: 50 },
  ]);
  const stored = () => call<StatusResponse>((done) => host.status({}, done));
  const before = await stored();
  expect(before).toMatchObject({ frames: 2, diskQuotaBytes: 0 });
  expect(before.diskUsedBytes).toBeGreaterThan(0);
  expect(before.diskFreeBytes).toBeGreaterThan(0);
  await prune({ apply: true });
  expect(await prune({ runIds: [run] })).toMatchObject([{ kept: "It is pruned already." }, { runs: 0 }]);
  await expect(prune({ olderThanS: -1 })).rejects.toMatchObject({
    details: expect.stringContaining("negative"),
  });
});

test("with a quota in the config a full folder is told of by Status and refuses by name", async () => {
  await daemon.stop();
  tracker.close();
  host.close();
  const file = join(temporaryHome(), "config.yaml");
  writeFileSync(file, "disk_quota_gb: 0.000001\nprune_after_days: 30\n");
  await serve({ PKX_CONFIG: file });
  await expect(startRun([], 1, false)).rejects.toMatchObject({
    code: "STORAGE_FULL",
    field: "disk_quota_gb",
    mend: expect.stringContaining("pkx prune"),
  });
  const status = await call<StatusResponse>((done) => host.status({}, done));
  expect(status).toMatchObject({
    diskQuotaBytes: 1000,
    warnings: [expect.stringContaining("reached its quota")],
  });
});
