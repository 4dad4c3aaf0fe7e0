/** DatasetService of a real daemon: answers, progress, and each kind of fault as the error that clients know. */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ClientReadableStream, credentials, type ServiceError } from "@grpc/grpc-js";
import {
  CheckoutDatasetRequest,
  DatasetServiceClient,
  DatasetState,
  type DatasetStatusResponse,
  PipekitError,
} from "@pipekit/proto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;
let datasets: DatasetServiceClient;
let repo: string;

beforeAll(async () => {
  daemon = await startDaemon();
  datasets = new DatasetServiceClient(daemon.endpoint, credentials.createInsecure());
  repo = join(daemon.home, "repo");
  mkdirSync(join(repo, ".dvc"), { recursive: true });
  writeFileSync(join(repo, ".dvc/config"), "[core]\n    no_scm = True\n");
});
afterAll(async () => {
  datasets.close();
  await daemon.stop();
});

interface Told {
  readonly told?: { readonly $case: string; readonly value: unknown } | undefined;
}

/** What a call tells: the answer last. */
async function toldOf(stream: ClientReadableStream<Told>): Promise<readonly Told[]> {
  const all: Told[] = [];
  for await (const one of stream) all.push(one as Told);
  return all;
}

const answerOf = async (stream: ClientReadableStream<Told>): Promise<unknown> =>
  (await toldOf(stream)).at(-1)?.told?.value;

async function errorOf(stream: ClientReadableStream<Told>): Promise<PipekitError> {
  return toldOf(stream).then(
    () => Promise.reject(new Error("It did not fail.")),
    (error: ServiceError) => PipekitError.fromServiceError(error),
  );
}

function status(targets: string[] = []): Promise<DatasetStatusResponse> {
  return new Promise((done, fail) => {
    datasets.datasetStatus({ repo, targets }, (error, answer) =>
      error === null ? done(answer) : fail(PipekitError.fromServiceError(error)),
    );
  });
}

const checkout = (more: Partial<CheckoutDatasetRequest>) =>
  datasets.checkoutDataset(CheckoutDatasetRequest.fromPartial({ repo, ...more }));

test("data is added, hashed, compared and checked out", async () => {
  mkdirSync(join(repo, "d"));
  for (let file = 0; file < 50; file++) writeFileSync(join(repo, `d/${file}`), `${file}`.repeat(20_000));
  const told = await toldOf(datasets.addDataset({ repo, path: "d" }));
  const added = told.at(-1)?.told?.value;
  expect(added).toMatchObject({ path: "d", recordedIn: "d.dvc", files: 50 });
  expect(told.slice(0, -1).every((one) => one.told?.$case === "progress")).toBe(true);
  expect(await answerOf(datasets.hashDataset({ repo: "", path: join(repo, "d") }))).toMatchObject({
    ...(added as object),
    path: join(repo, "d"),
    recordedIn: "",
  });
  expect((await status()).entries).toMatchObject([
    { state: DatasetState.DATASET_STATE_UNCHANGED, missingInCache: 0 },
  ]);
  rmSync(join(repo, "d"), { recursive: true });
  expect((await status(["d"])).entries).toMatchObject([
    { state: DatasetState.DATASET_STATE_MISSING, workspaceHash: "" },
  ]);
  expect(await answerOf(checkout({}))).toMatchObject({ objects: 50, present: 0, datasets: [{ path: "d" }] });
});

test("each kind of fault has its code", async () => {
  writeFileSync(join(repo, "f"), "one");
  await toldOf(datasets.addDataset({ repo, path: "f" }));
  writeFileSync(join(repo, "f"), "saved nowhere");
  writeFileSync(
    join(repo, "f.dvc"),
    "outs:\n- md5: f97c5d29941bfb1b2fdab0874906ab82\n  size: 3\n  hash: md5\n  path: f\n",
  );
  expect(await errorOf(checkout({ targets: ["f"] }))).toMatchObject({
    code: "DATASET_CHANGED",
    field: join(repo, "f"),
  });
  expect(await errorOf(checkout({ hash: "0".repeat(32), path: "x" }))).toMatchObject({
    code: "DATASET_NOT_FOUND",
  });
  expect(await errorOf(datasets.addDataset({ repo: "", path: "f" }))).toMatchObject({
    code: "INVALID_ARGUMENT",
    field: "repo",
  });
  expect(await errorOf(datasets.addDataset({ repo, path: "" }))).toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(await errorOf(datasets.addDataset({ repo, path: "none" }))).toMatchObject({
    code: "ARTIFACT_UNREADABLE",
  });
  expect(await errorOf(datasets.pushDatasets({ repo, targets: [], remote: "" }))).toMatchObject({
    field: "remote",
  });
  writeFileSync(join(repo, "f.dvc"), "outs:\n- md5: short\n  path: f\n");
  await expect(status()).rejects.toMatchObject({ code: "CORRUPT_DATASET" });
  rmSync(join(repo, "f.dvc"));
  mkdirSync(join(repo, ".dvc/tmp"), { recursive: true });
  writeFileSync(
    join(repo, ".dvc/tmp/rwlock"),
    JSON.stringify({ write: { [repo]: { pid: process.pid, cmd: "dvc" } } }),
  );
  const locked = await errorOf(datasets.addDataset({ repo, path: "f" }));
  expect(locked).toMatchObject({ code: "DATASET_LOCKED" });
  expect(locked.message).toContain(String(process.pid));
  rmSync(join(repo, ".dvc/tmp/rwlock"));
  chmodSync(join(repo, ".dvc/config"), 0o644);
});
