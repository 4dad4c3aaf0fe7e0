/** The registry contract over MLflow: a real server, a registered model for each test. */
import { randomUUID } from "node:crypto";
import { mlflowRegistry } from "@pipekit/adapters/mlflow";
import { afterAll, beforeAll, describe } from "vitest";
import { type MlflowServer, startMlflowServer } from "../support/mlflow-server.ts";
import { describeRegistryContract } from "./registry-contract.ts";
import { inProcess, overGrpc, type RegistryPlace } from "./registry-harness.ts";

let server: MlflowServer;
beforeAll(async () => {
  server = await startMlflowServer();
}, 120_000);
afterAll(() => server.stop());

const place: RegistryPlace = {
  kinds: [mlflowRegistry],
  newSpec: () => `mlflow://${server.host}/suite-${randomUUID()}?poll_ms=50`,
  env: {},
};

describe("MLflow", { timeout: 120_000 }, () => {
  describeRegistryContract("mlflow, in process", () => inProcess(place));
  describeRegistryContract("mlflow, over gRPC", () => overGrpc(place));
});
