/**
 * How fast journals of nodes come to one daemon by a real NATS server: `node test/bench/fan-in.ts [NODES] [POINTS]`.
 * The nodes' journals are full before the clock starts, so that what is measured is the way, not the logging.
 */
import { rmSync } from "node:fs";
import { connect } from "@pipekit/experiment";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { startNats } from "../support/nats-server.ts";

const KEYS = 10;
const [nodes = 4, points = 1_000_000] = process.argv.slice(2).map(Number);

async function filled(rank: number): Promise<string> {
  const daemon = await startDaemon();
  const client = await connect({ endpoint: daemon.endpoint });
  const run = await client.startRun({ name: "bench", group: { id: "bench", rank, worldSize: nodes } });
  const keys = Array.from({ length: KEYS }, (_, i) => `rank${rank}/m${i}`);
  for (let step = 0; step < points / KEYS; step++) {
    run.log(Object.fromEntries(keys.map((key, i) => [key, step * 0.37 + i])), step);
    if (step % 10_000 === 0) await run.flush();
  }
  await run.end("completed", { timeoutMs: 60_000 });
  client.close();
  await daemon.kill9();
  return daemon.home;
}

const homes: string[] = [];
for (let rank = 0; rank < nodes; rank++) homes.push(await filled(rank));
const server = await startNats();
const stream = `nats://127.0.0.1:${server.port}/bench`;
const centre = await startDaemon({ env: { PKX_FAN_IN: stream } });
const client = await connect({ endpoint: centre.endpoint });
const began = performance.now();
const daemons: TestDaemon[] = await Promise.all(
  homes.map((home) => startDaemon({ home, env: { PKX_BRIDGE: stream } })),
);
const started = performance.now();
let status = await client.status();
while (status.points < nodes * points) {
  await new Promise((next) => setTimeout(next, 20));
  status = await client.status();
}
const seconds = (performance.now() - started) / 1000;
const megabytes = status.journalBytes / 1e6;
process.stdout.write(
  `${nodes} nodes, ${status.points} points, ${status.frames} frames, ${megabytes.toFixed(0)} MB: ${seconds.toFixed(2)} s after their start ` +
    `(${((started - began) / 1000).toFixed(2)} s), ${Math.round(status.points / seconds)} points/s; centre ${(status.rssBytes / 1e6).toFixed(0)} MB\n`,
);
client.close();
await Promise.all([centre, ...daemons].map((daemon) => daemon.kill9()));
await server.stop();
for (const home of [...homes, centre.home]) rmSync(home, { recursive: true, force: true });
process.exit(0);
