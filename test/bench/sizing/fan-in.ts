/** Bringing journals of nodes to one daemon: by `pkx sync` of their folders, and by a stream of NATS. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@pipekit/experiment";
import type { Frame } from "@pipekit/proto";
import { ulid } from "ulid";
import { framesOfRun, sendFrames } from "../../faults/flood.ts";
import { startDaemon, type TestDaemon, temporaryHome } from "../../support/daemon.ts";
import { startNats } from "../../support/nats-server.ts";
import { BUNDLE } from "../bundle.ts";
import { type Cost, costOf, cpuSeconds, mib } from "../process-cost.ts";
import { framesOf, KEYS } from "./frames.ts";
import type { Section } from "./section.ts";

const NODES = 2;
const POINTS = 1_000_000;
const ROWS = 20_000;
const LOOK_MS = 50;

/** State folders of nodes that logged, while nobody took it. */
async function fullFolders(frames: () => Iterable<Frame>): Promise<string[]> {
  const homes: string[] = [];
  for (let node = 0; node < NODES; node++) {
    const home = temporaryHome();
    const daemon = await startDaemon({ home, script: BUNDLE });
    await sendFrames(daemon.endpoint, frames());
    await daemon.stop();
    homes.push(home);
  }
  return homes;
}

async function untilThere(endpoint: string, points: number): Promise<void> {
  const client = await connect({ endpoint });
  try {
    while ((await client.status()).points < points) await delay(LOOK_MS);
  } finally {
    client.close();
  }
}

async function bySync(what: string, homes: readonly string[], points: number): Promise<string[]> {
  const centre = await startDaemon({ script: BUNDLE });
  const client = await connect({ endpoint: centre.endpoint });
  try {
    const cost = await costOf(centre.pid, async () => {
      for (const home of homes) {
        await Array.fromAsync(client.delivery.sync({ stateFolder: join(home, "state") }));
      }
    });
    return row(what, cost, points, undefined);
  } finally {
    client.close();
    await centre.stop();
  }
}

async function byStream(homes: readonly string[]): Promise<string[]> {
  const server = await startNats();
  const stream = `nats://127.0.0.1:${server.port}/sizing`;
  const centre = await startDaemon({ script: BUNDLE, env: { PKX_FAN_IN: stream } });
  const nodes: TestDaemon[] = [];
  try {
    let nodesCpuS = 0;
    const cost = await costOf(centre.pid, async () => {
      const start = (home: string) => startDaemon({ home, script: BUNDLE, env: { PKX_BRIDGE: stream } });
      nodes.push(...(await Promise.all(homes.map(start))));
      await untilThere(centre.endpoint, NODES * POINTS);
      nodesCpuS = nodes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
    });
    return row("a stream of NATS, frames of 4096 rows", cost, NODES * POINTS, nodesCpuS);
  } finally {
    for (const daemon of [...nodes, centre]) await daemon.stop();
    await server.stop();
  }
}

function row(
  way: string,
  { cpuS, wallS, peak }: Cost,
  points: number,
  nodesCpuS: number | undefined,
): string[] {
  const millions = points / 1e6;
  return [
    way,
    `${(cpuS / millions).toFixed(2)} s for a million points`,
    mib(peak),
    nodesCpuS === undefined ? "" : `${(nodesCpuS / millions).toFixed(2)} s, their start included`,
    `${Math.round(points / wallS)} points/s`,
  ];
}

export async function fanIn(): Promise<Section> {
  const large = await fullFolders(() => framesOfRun(ulid(), POINTS, []));
  const small = await fullFolders(() => framesOf(ROWS, 1));
  try {
    return {
      title: "Journals of nodes to one daemon",
      header: [
        "way",
        "taker's processor time",
        "its memory",
        "the nodes' processor time",
        "rate, wall clock",
      ],
      rows: [
        await bySync("`pkx sync` of folders with frames of 4096 rows", large, NODES * POINTS),
        await bySync(
          "`pkx sync` of folders with frames of one row of ten values",
          small,
          NODES * ROWS * KEYS.length,
        ),
        await byStream(large),
      ],
    };
  } finally {
    for (const home of [...large, ...small]) rmSync(home, { recursive: true, force: true });
  }
}
