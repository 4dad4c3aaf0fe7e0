/**
 * What strangers, and principals without measure, can do to a daemon that listens on TCP: a trainer on the unix socket goes
 * on, memory stays bounded, and who has a token is served in the end. Figures: bench.test.ts, by hand.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { credentials, Metadata } from "@grpc/grpc-js";
import { connect } from "@pipekit/experiment";
import { LoadRequest, RegistryServiceClient, TrackerServiceClient } from "@pipekit/proto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { makeProofs, type Proofs, type RemoteDaemon, startRemoteDaemon } from "../support/remote-daemon.ts";
import { rssOf, trainer, under, watchFor } from "./trainer.ts";

const MIB = 2 ** 20;
const FOR_MS = 700;

let proofs: Proofs;
let daemon: RemoteDaemon;

beforeAll(async () => {
  proofs = makeProofs();
  daemon = await startRemoteDaemon(proofs);
});

afterAll(async () => {
  await daemon.stop();
  proofs.remove();
});

const remoteEnv = () => ({
  PKX_TOKEN_FILE: proofs.tokenFile,
  PKX_CA_FILE: proofs.caFile,
  PKX_ENDPOINT: daemon.url,
});

test.each([
  "half-hello",
  "silent",
  "bodies",
  "streams",
  "rapid-reset",
  "wrong-token",
  "unknown-method",
  "continuation",
  "garbage",
  "deaf-pings",
])(
  "100 hostile connections (%s) do not stop a trainer, take no memory to speak of, and are told",
  async (attack) => {
    const client = await trainer(daemon);
    const before = rssOf(daemon.pid);
    const { seen, done } = await under(attack, daemon.port, 100, () => watchFor(client, daemon, FOR_MS));
    expect(done.closed).toBeGreaterThan(0);
    expect(seen.acks).toBeGreaterThan(5);
    expect(seen.rss - before).toBeLessThan(200 * MIB);
    const entries = await Array.fromAsync(client.audit.read());
    const refused = entries.filter(({ kind, peer }) => kind === "refused" && peer === "127.0.0.1");
    expect(refused.length).toBeGreaterThan(0);
    // Not one for each of thousands.
    expect(entries.length).toBeLessThan(200);
    client.close();
  },
);

test("who has a token is served after and beside that, and one that asks without end waits", async () => {
  const local = await trainer(daemon);
  const { done } = await under("calls", daemon.port, 20, () => watchFor(local, daemon, FOR_MS), proofs.token);
  expect(done.opened).toBeGreaterThan(0);
  // Its address is that of the hostile ones, and new connections of one address are counted together.
  const client = await vi.waitFor(() => connect({ env: remoteEnv() }), { timeout: 20_000, interval: 500 });
  await client.withRun({ name: "afar" }, async (run) => run.log({ loss: 1 }, 0));
  expect((await client.status()).pid).toBe(daemon.pid);
  client.close();
  local.close();
});

test("readers that never read hold back their own answers, not the daemon's memory", async () => {
  const local = await trainer(daemon);
  const weights = proofs.file("weights.bin");
  writeFileSync(weights, Buffer.alloc(48 * MIB, 7));
  await local
    .registry()
    .store({ operator: { module: "m", class: "C", config: {} }, weights, name: "production" });
  const run = await local.startRun({ name: "long" });
  for (let step = 0; step < 100_000; step++) run.log({ loss: step }, step);
  await run.flush();
  const secure = credentials.createSsl(readFileSync(proofs.caFile));
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${proofs.token}`);
  const before = rssOf(daemon.pid);
  const registry = new RegistryServiceClient(`127.0.0.1:${daemon.port}`, secure, {
    "grpc.use_local_subchannel_pool": 1,
  });
  const tracker = new TrackerServiceClient(`127.0.0.1:${daemon.port}`, secure, {
    "grpc.use_local_subchannel_pool": 1,
  });
  const metrics = { runId: run.runId, keys: [], maxPoints: 0 };
  const load = LoadRequest.fromPartial({ ref: "production" });
  const calls = Array.from({ length: 20 }, () => [
    registry.load(load, metadata),
    tracker.watchMetrics(metrics, metadata),
    tracker.watchRuns({ runIds: [] }, metadata),
  ]).flat();
  for (const call of calls) call.on("error", () => undefined).pause();
  const seen = await watchFor(local, daemon, 1500);
  expect(seen.acks).toBeGreaterThan(5);
  // All they asked for is a gigabyte.
  expect(seen.rss - before).toBeLessThan(300 * MIB);
  for (const call of calls) call.cancel();
  registry.close();
  tracker.close();
  await run.end();
  local.close();
});
