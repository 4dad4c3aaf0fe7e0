/**
 * How many small messages of many nodes one daemon takes, each with one frame of one row:
 * `node test/bench/fan-in-small.ts [SOURCES] [MESSAGES]`. What the nodes do is left out: the stream is full before.
 */
import { rmSync } from "node:fs";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { headers, connect as toNats } from "@nats-io/transport-node";
import { connect } from "@pipekit/experiment";
import { ForwardedFrames, type Frame, packRows, RunStart } from "@pipekit/proto";
import { ulid } from "ulid";
import { startDaemon } from "../support/daemon.ts";
import { startNats } from "../support/nats-server.ts";

const [sources = 500, messages = 20_000] = process.argv.slice(2).map(Number);
const each = Math.floor(messages / sources);
const server = await startNats();
const connection = await toNats({ servers: `127.0.0.1:${server.port}` });
const manager = await jetstreamManager(connection);
await manager.streams.add({
  name: "small",
  subjects: ["pkx.small.>"],
  retention: "workqueue",
  discard: "new",
});
const client = jetstream(connection);
const part = headers();
part.set("Pkx-Part", "1/1");
const runId = ulid();
const writers = Array.from({ length: sources }, () => ({ source: ulid(), writerId: ulid() }));

function frameOf(writerId: string, rank: number, seq: number): Frame {
  const rows = [
    { keys: [`rank${rank}/loss`, "lr"], step: seq, timeUs: Date.now() * 1000, values: [1 / seq, 0.1] },
  ];
  const start = RunStart.fromPartial({
    name: "small",
    startedAtUs: 1,
    member: { group: "g", rank, worldSize: sources },
  });
  const metrics = { record: { $case: "metrics" as const, value: packRows(rows) } };
  const first = seq === 1 ? [{ record: { $case: "start" as const, value: start } }] : [];
  return { writerId, seq, runId, records: [...first, metrics] };
}

for (let seq = 1; seq <= each; seq++) {
  const sent = writers.map(({ source, writerId }, rank) => {
    const frame = frameOf(writerId, rank, seq);
    const body = ForwardedFrames.encode({ frames: [{ frame, previousSeq: seq - 1 }] }).finish();
    return client.publish(`pkx.small.${source}`, body, { headers: part });
  });
  await Promise.all(sent);
}
const began = performance.now();
const centre = await startDaemon({ env: { PKX_FAN_IN: `nats://127.0.0.1:${server.port}/small` } });
const reader = await connect({ endpoint: centre.endpoint });
const started = performance.now();
let status = await reader.status();
while (status.frames < sources * each) {
  await new Promise((next) => setTimeout(next, 20));
  status = await reader.status();
}
const seconds = (performance.now() - started) / 1000;
process.stdout.write(
  `${sources} sources, ${status.frames} messages: ${seconds.toFixed(2)} s after the start (${((started - began) / 1000).toFixed(2)} s), ` +
    `${Math.round(status.frames / seconds)} messages/s; centre ${(status.rssBytes / 1e6).toFixed(0)} MB\n`,
);
reader.close();
await connection.close();
await centre.kill9();
await server.stop();
rmSync(centre.home, { recursive: true, force: true });
process.exit(0);
