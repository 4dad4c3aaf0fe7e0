import { randomUUID } from "node:crypto";
import { mlflowRegistry } from "@pipekit/adapters/mlflow";
import { test } from "vitest";
import { startMlflowServer } from "../support/mlflow-server.ts";
import { inProcess, storeText } from "./registry-harness.ts";
import { gc } from "./registry-gc.ts";
test("x", async () => {
  const server = await startMlflowServer();
  const fixture = await inProcess({ kinds: [mlflowRegistry], newSpec: () => `mlflow://${server.host}/suite-${randomUUID()}?poll_ms=50`, env: {} });
  const { registry } = fixture as any;
  await storeText(registry, "bb");
  for (let i = 0; i < 4; i++) console.log(JSON.stringify(await gc(registry, {}, true)));
  await server.stop();
}, 100000);
