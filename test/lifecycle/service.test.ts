import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { credentials, loadPackageDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import {
  DaemonServiceClient,
  type HelloRequest,
  type HelloResponse,
  PipekitError,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  type StatusResponse,
} from "@pipekit/proto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";

const MODULES = join(import.meta.dirname, "../../node_modules");
const home = temporaryHome();
let daemon: TestDaemon;
let client: DaemonServiceClient;

beforeAll(async () => {
  daemon = await startDaemon({ home, script: join(import.meta.dirname, "stand-in.ts") });
  client = new DaemonServiceClient(daemon.endpoint, credentials.createInsecure());
});

afterAll(async () => {
  client.close();
  await daemon.stop();
  rmSync(home, { recursive: true, force: true });
});

function hello(protocolMin: number, protocolMax: number): Promise<HelloResponse> {
  const request: HelloRequest = { client: "test/9.9", protocolMin, protocolMax };
  return new Promise((done, fail) => {
    client.hello(request, (error, value) =>
      error ? fail(PipekitError.fromServiceError(error)) : done(value),
    );
  });
}

test("Hello settles the newest protocol that both speak", async () => {
  expect(await hello(PROTOCOL_MIN, PROTOCOL_MAX + 5)).toMatchObject({
    protocol: PROTOCOL_MAX,
    pid: daemon.pid,
    stateFolder: daemon.stateFolder,
    stagingFolder: join(daemon.stateFolder, "staging"),
  });
});

test("Hello refuses a newer client and says to stop the older daemon", async () => {
  await expect(hello(PROTOCOL_MAX + 1, PROTOCOL_MAX + 2)).rejects.toMatchObject({
    code: "PROTOCOL_MISMATCH",
    message: expect.stringContaining("The client test/9.9 speaks protocols 2 to 3"),
    mend: expect.stringContaining("pkx stop"),
  });
});

test("Hello refuses an older client and says to update it", async () => {
  await expect(hello(0, PROTOCOL_MIN - 1)).rejects.toMatchObject({
    code: "PROTOCOL_MISMATCH",
    mend: expect.stringContaining("Update the client"),
  });
});

test("Status tells the daemon and the journal's totals", async () => {
  const status = await new Promise<StatusResponse>((done, fail) => {
    client.status({}, (error, value) => (error ? fail(error) : done(value)));
  });
  expect(status).toMatchObject({
    pid: daemon.pid,
    endpoint: daemon.endpoint,
    stateFolder: daemon.stateFolder,
    logFile: join(daemon.stateFolder, "logs/daemon.log"),
    runs: 4,
    pointsPending: 6,
    draining: false,
    idleExitS: 900,
  });
  expect(status.rssBytes).toBeGreaterThan(20e6);
});

test("any gRPC tool can ask health and reflection", async () => {
  const health = loadClient(
    "grpc.health.v1.Health",
    join(MODULES, "grpc-health-check/proto"),
    "health/v1/health.proto",
  );
  const answer = await new Promise((done, fail) => {
    const request = { service: "pipekit.experiment.v1.TrackerService" };
    health["check"]?.(request, (error: Error | null, value: unknown) => (error ? fail(error) : done(value)));
  });
  expect(answer).toEqual({ status: "SERVING" });
  health.close();
  for (const version of ["v1", "v1alpha"]) {
    const folder = join(MODULES, "@grpc/reflection/build/proto");
    const file = `grpc/reflection/${version}/reflection.proto`;
    const reflection = loadClient(`grpc.reflection.${version}.ServerReflection`, folder, file);
    const stream = reflection["serverReflectionInfo"]?.();
    stream.write({ listServices: "" });
    const [listed] = await once(stream, "data");
    const names = listed.listServicesResponse.service.map(({ name }: { name: string }) => name);
    expect(names.sort()).toEqual(
      ["ConfigService", "DaemonService", "DatasetService", "RegistryService", "TrackerService"].map(
        (name) => `pipekit.experiment.v1.${name}`,
      ),
    );
    stream.end();
    await once(stream, "end");
    reflection.close();
  }
});

// biome-ignore lint/suspicious/noExplicitAny: a client made at run time, as tools do, has no types
type DynamicClient = { [method: string]: (...args: any[]) => any } & { close(): void };

function loadClient(service: string, folder: string, file: string): DynamicClient {
  const definition = loadPackageDefinition(loadSync(file, { includeDirs: [folder], enums: String }));
  // biome-ignore lint/suspicious/noExplicitAny: the tree of packages has no types either
  const Client = service.split(".").reduce((tree: any, name) => tree[name], definition);
  return new Client(daemon.endpoint, credentials.createInsecure());
}
