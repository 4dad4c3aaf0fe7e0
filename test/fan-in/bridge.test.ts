import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect as connectToNats, headers } from "@nats-io/transport-node";
import { type Client, connect } from "@pipekit/experiment";
import { afterEach, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { type NatsServer, startNats } from "../support/nats-server.ts";
import { framesIn, sorted, union } from "./folders.ts";

const homes: string[] = [];
const daemons: TestDaemon[] = [];
const servers: NatsServer[] = [];

afterEach(async () => {
  await Promise.all(daemons.splice(0).map((daemon) => daemon.kill9()));
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  for (const home of homes.splice(0)) rmSync(home, { recursive: true, force: true });
});

async function nats(): Promise<NatsServer> {
  const server = await startNats();
  servers.push(server);
  return server;
}

async function daemon(env: { [name: string]: string }, home?: string): Promise<TestDaemon> {
  const started = await startDaemon({ env, ...(home !== undefined && { home }) });
  if (home === undefined) homes.push(started.home);
  daemons.push(started);
  return started;
}

const node = (stream: string, home?: string) => daemon({ PKX_BRIDGE: stream }, home);
const centre = (stream: string, home?: string) =>
  daemon({ PKX_FAN_IN: stream, PKX_ORPHAN_GRACE_S: "3600" }, home);

async function clientOf({ endpoint }: TestDaemon): Promise<Client> {
  return connect({ endpoint });
}

/** Logs `count` rows as one rank of the group and ends. */
async function work(
  daemon: TestDaemon,
  rank: number,
  count: number,
  between = async () => {},
): Promise<string> {
  const client = await clientOf(daemon);
  const run = await client.startRun({ name: "wide", group: { id: "job", rank, worldSize: 2 } });
  for (let i = 0; i < count; i++) {
    run.log({ [`rank${rank}/loss`]: i }, i);
    if (i % 100 === 99) {
      await run.flush();
      if (i === 499) await between();
    }
  }
  await run.end("completed", { timeoutMs: 30_000 });
  client.close();
  return run.runId;
}

/** Resolves when the daemon's journal has what the others have together. */
async function untilUnion(
  target: TestDaemon,
  nodes: readonly TestDaemon[],
  timeoutMs = 60_000,
): Promise<void> {
  const expected = await union(nodes.map(({ stateFolder }) => stateFolder));
  for (const until = Date.now() + timeoutMs; ; await pause(100)) {
    const found = sorted(await framesIn(target.stateFolder));
    if (found.size === expected.size || Date.now() > until) return expect(found).toEqual(expected);
  }
}

test("two nodes publish, one daemon takes: a run of a group comes together, whatever is killed meanwhile", async () => {
  const server = await nats();
  const stream = `nats://127.0.0.1:${server.port}/pkx`;
  const [one, two, first] = await Promise.all([node(stream), node(stream), centre(stream)]);
  let central = first;
  const [runId] = await Promise.all([
    work(one, 0, 1000, async () => {
      await server.kill9();
      await pause(300);
      await server.start();
    }),
    work(two, 1, 1000, async () => {
      await central.kill9();
      central = await centre(stream, central.home);
    }),
  ]);
  await untilUnion(central, [one, two]);
  const client = await clientOf(central);
  const run = await client.getRun(runId);
  expect(run).toMatchObject({ state: 2, points: 2000, group: { group: "job", worldSize: 2 } });
  expect(run.group?.members.map(({ rank, state }) => [rank, state])).toEqual([
    [0, 2],
    [1, 2],
  ]);
  client.close();
});

test("what is published again, by a node that forgot how far it was, is there once; a full stream waits; poison is parked", async () => {
  const server = await nats();
  const address = `nats://127.0.0.1:${server.port}/small`;
  const connection = await connectToNats({ servers: `127.0.0.1:${server.port}` });
  const manager = await jetstreamManager(connection);
  // Room for one message only, and nobody takes it yet.
  await manager.streams.add({
    name: "small",
    subjects: ["pkx.small.>"],
    retention: "workqueue",
    discard: "new",
    max_msgs: 1,
  });
  let one = await node(address);
  await work(one, 1, 1);
  while ((await manager.streams.info("small")).state.messages === 0) await pause(20);
  const runId = await work(one, 0, 1500);
  const client = await clientOf(one);
  for (let warnings: readonly string[] = []; !warnings.some((text) => text.includes("maximum messages")); ) {
    ({ warnings } = await client.status());
    await pause(20);
  }
  client.close();
  await one.kill9();
  rmSync(join(one.stateFolder, "bridge.json"));
  await manager.streams.purge("small");
  const part = headers();
  part.set("Pkx-Part", "1/1");
  await jetstream(connection).publish("pkx.small.stranger", Buffer.from("no frames"), { headers: part });
  one = await node(address, one.home);
  const central = await centre(address);
  await untilUnion(central, [one]);
  const reader = await clientOf(central);
  expect(await reader.getRun(runId)).toMatchObject({ points: 1501, state: 2 });
  const parked = join(central.stateFolder, "parked");
  for (const until = Date.now() + 20_000; !existsSync(parked) && Date.now() < until; ) await pause(50);
  expect(readdirSync(parked)).toHaveLength(1);
  expect((await reader.status()).warnings.join()).toContain("1 messages of the stream were no frames");
  reader.close();
  await connection.close();
});
