/** The registry contract over S3: a real server, a prefix for each test. */
import { s3Registry } from "@pipekit/adapters/s3";
import { afterAll, beforeAll } from "vitest";
import { type S3Server, startSeaweed } from "../support/seaweed.ts";
import { describeRegistryContract } from "./registry-contract.ts";
import { inProcess, overGrpc, type RegistryPlace } from "./registry-harness.ts";

let server: S3Server;
beforeAll(async () => {
  server = await startSeaweed();
});
afterAll(() => server.stop());

const place = (): RegistryPlace => ({
  kinds: [s3Registry],
  newSpec: () => server.newSpec("&poll_ms=50"),
  env: server.env(),
});

describeRegistryContract("S3, in process", () => inProcess(place()));
describeRegistryContract("S3, over gRPC", () => overGrpc(place()));
