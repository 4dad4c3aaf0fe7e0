import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clearmlTracker } from "@pipekit/adapters/clearml";
import { localRegistry } from "@pipekit/adapters/local";
import { mlflowRegistry, mlflowTracker } from "@pipekit/adapters/mlflow";
import { s3Registry } from "@pipekit/adapters/s3";
import { tensorboardTracker } from "@pipekit/adapters/tensorboard";
import { wandbTracker } from "@pipekit/adapters/wandb";
import {
  ConfigServiceService,
  DaemonServiceService,
  DatasetServiceService,
  LoadRequest,
  LogRequest,
  PipekitError,
  RegistryServiceService,
  StartRunRequest,
  StoreRequest,
  StoreWithProgressRequest,
  TrackerServiceService,
} from "@pipekit/proto";
import { expect, test, vi } from "vitest";
import { checkFromAfar } from "../../daemon/rpc/host-bound.ts";

const SERVICES = [
  TrackerServiceService,
  RegistryServiceService,
  ConfigServiceService,
  DaemonServiceService,
  DatasetServiceService,
];

/** Field of the refusal; empty where the request passes. */
function field(path: string, request: unknown): string {
  try {
    checkFromAfar(path, request);
    return "";
  } catch (error) {
    if (!(error instanceof PipekitError)) throw error;
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", mend: expect.stringMatching(/./) });
    return error.field;
  }
}

function startWith(...sinks: string[]): StartRunRequest {
  const record = { $case: "start", value: { sinks } } as const;
  return StartRunRequest.fromPartial({ frame: { records: [{ record }] } });
}

test("empty requests show which methods are never answered from afar", () => {
  const refused = SERVICES.flatMap((service) => Object.values(service))
    .filter(({ path, requestDeserialize }) => field(path, requestDeserialize(Buffer.alloc(0))) !== "")
    .map(({ path }) => path.split("/").at(-1));
  expect(refused.sort()).toEqual([
    "AddDataset",
    "Backup",
    "CheckoutDataset",
    "DatasetStatus",
    "Export",
    "HandOver",
    "HashDataset",
    "Import",
    "ImportRuns",
    "PullDatasets",
    "PushDatasets",
    "ReadHydraRun",
  ]);
  expect(() => checkFromAfar("/pipekit.experiment.v1.TrackerService/NotLookedAt", {})).toThrow(PipekitError);
  expect(field("/grpc.health.v1.Health/Check", {})).toBe("");
});

test("of every registry request the registry is looked at", () => {
  for (const { path, requestDeserialize } of Object.values(RegistryServiceService)) {
    const request = requestDeserialize(Buffer.alloc(0));
    if (!("registry" in request) || field(path, request) !== "") continue;
    expect(field(path, { ...request, registry: "local:/srv" }), path).toBe("registry");
    expect(field(path, { ...request, registry: "s3://bucket/models/" }), path).toBe("");
  }
  const { path } = RegistryServiceService.copy;
  expect(field(path, { registry: "", target: "local:/srv" })).toBe("target");
});

test("weights by path are refused in both ways to store, and when they are loaded", () => {
  const header = { registry: "", weightsPath: "/etc/shadow" };
  const request = StoreRequest.fromPartial({ part: { $case: "header", value: header } });
  expect(field(RegistryServiceService.store.path, request)).toBe("header.weights_path");
  const wrapped = StoreWithProgressRequest.fromPartial({ request });
  expect(field(RegistryServiceService.storeWithProgress.path, wrapped)).toBe("header.weights_path");
  const chunk = StoreRequest.fromPartial({ part: { $case: "weightsChunk", value: Buffer.from("x") } });
  expect(field(RegistryServiceService.store.path, chunk)).toBe("");
  const load = LoadRequest.fromPartial({ ref: "x", byPath: true });
  expect(field(RegistryServiceService.load.path, load)).toBe("by_path");
});

test("artifacts are refused by path wherever a frame has one, and pass by URI", () => {
  const artifact = (value: object) =>
    LogRequest.fromPartial({ frame: { records: [{}, { record: { $case: "artifact", value } }] } });
  const { path } = TrackerServiceService.log;
  expect(field(path, artifact({ path: "/etc/shadow" }))).toBe("frame.records[1].artifact.path");
  expect(field(path, artifact({ uri: "s3://b/k" }))).toBe("");
  const attach = { artifact: { path: "/etc/shadow" } };
  expect(field(TrackerServiceService.attachArtifact.path, attach)).toBe("artifact.path");
});

test("of the specs that the daemon knows, only those of servers pass, and none with a secret of the host", () => {
  const { path } = TrackerServiceService.startRun;
  const sink = "frame.records[0].start.sinks[0]";
  const trackers = [mlflowTracker, wandbTracker, clearmlTracker, tensorboardTracker];
  const schemes = [...trackers, localRegistry, s3Registry, mlflowRegistry].flatMap((kind) => kind.schemes);
  const refused = new Set(schemes.filter((scheme) => field(path, startWith(`${scheme}://h/x`)) !== ""));
  expect([...refused].sort()).toEqual(["clearml+offline", "local", "tensorboard", "wandb+offline"]);
  for (const spec of [
    "TENSORBOARD:///tmp",
    " local:/srv",
    "/srv/models",
    "mlflow://h/x?token=file:/etc/shadow",
    "mlflow://h/x?base=/a&token=FILE%3A/etc/shadow",
    "wandb://me/x?key=env%3ASECRET",
    "clearml://x?access_key=env:A&secret_key=env:B",
  ]) {
    expect(field(path, startWith(spec)), spec).toBe(sink);
  }
  expect(field(path, startWith("mlflow+https://h/x?base=/file:"))).toBe("");
});

test("a server is not for callers from afar to choose where the daemon would send it what it has for its kind", () => {
  const { path } = TrackerServiceService.startRun;
  const sink = "frame.records[0].start.sinks[0]";
  const home = mkdtempSync(join(tmpdir(), "pkx-"));
  vi.stubEnv("HOME", home);
  try {
    for (const [variable, spec, otherwise] of [
      ["MLFLOW_TRACKING_TOKEN", "mlflow+https://evil.example/x", "wandb+https://h/me/x"],
      ["MLFLOW_TRACKING_PASSWORD", "MLFLOW://evil.example/x", "clearml+https://h/x"],
      ["WANDB_API_KEY", "wandb+https://evil.example/me/x", "wandb://me/x"],
      ["CLEARML_API_SECRET_KEY", "clearml+http://evil.example/x", "mlflow://h/x"],
      ["CLEARML_API_ACCESS_KEY", "clearml://x?%66iles=http://evil.example", "clearml://x"],
    ] as const) {
      expect(field(path, startWith(spec)), spec).toBe("");
      vi.stubEnv(variable, "secret");
      expect(field(path, startWith(spec)), spec).toBe(sink);
      expect(field(path, startWith(otherwise)), otherwise).toBe("");
      vi.stubEnv(variable, undefined);
    }
    mkdirSync(join(home, ".mlflow"));
    writeFileSync(join(home, ".mlflow/credentials"), "[mlflow]\n");
    expect(field(RegistryServiceService.stat.path, { registry: "mlflow://evil.example/x" })).toBe("registry");
  } finally {
    vi.unstubAllEnvs();
    rmSync(home, { recursive: true });
  }
});
