/**
 * What telemetry costs: start, memory at rest, and frames a second, without it, with the page of metrics (read four times a
 * second), and with traces to a collector too. By hand: `node test/bench/telemetry.ts [ROUNDS]`, after `node daemon/build.ts`.
 */
import { rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Frame, packRows, RunStart } from "@pipekit/proto";
import { ulid } from "ulid";
import { framesOfRun, sendFrames } from "../faults/flood.ts";
import { startDaemon, temporaryHome } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { BUNDLE } from "./bundle.ts";
import { residentBytes } from "./machine.ts";
import { cpuSeconds } from "./process-cost.ts";

const POINTS = 2_000_000;
const SMALL_FRAMES = 20_000;
const SETTLED_MS = 6000;

/** Frames of one point each: the most calls to what is measured. */
function* smallFrames(): Generator<Frame> {
  const [writerId, runId, keys] = [ulid(), ulid(), ["a"]];
  const start = RunStart.fromPartial({ name: "small", startedAtUs: Date.now() * 1000 });
  yield { writerId, seq: 1, runId, records: [{ record: { $case: "start", value: start } }] };
  for (let step = 0; step < SMALL_FRAMES; step++) {
    const value = packRows([{ keys, step, timeUs: Date.now() * 1000, values: [step] }]);
    yield { writerId, seq: step + 2, runId, records: [{ record: { $case: "metrics", value } }] };
  }
}

async function perSecond(count: number, work: Promise<void>, begun = performance.now()): Promise<number> {
  await work;
  return Math.round((count / (performance.now() - begun)) * 1000);
}

async function measure(args: readonly string[], port: number | undefined) {
  const home = temporaryHome();
  const begun = performance.now();
  const daemon = await startDaemon({
    home,
    script: BUNDLE,
    args,
    env: { PKX_TRACE_RATIO: args.length > 2 ? "1" : "" },
  });
  const startMs = Math.round(performance.now() - begun);
  try {
    await sleep(SETTLED_MS);
    const restMb = Math.round(residentBytes(daemon.pid) / 2 ** 20);
    const read = () => fetch(`http://127.0.0.1:${port}/metrics`).then((answer) => answer.text());
    const reading = port === undefined ? undefined : setInterval(() => void read(), 250);
    const cpuBefore = cpuSeconds(daemon.pid);
    const points = await perSecond(POINTS, sendFrames(daemon.endpoint, framesOfRun(ulid(), POINTS, [])));
    const frames = await perSecond(SMALL_FRAMES, sendFrames(daemon.endpoint, smallFrames()));
    clearInterval(reading);
    const cpuS = Number((cpuSeconds(daemon.pid) - cpuBefore).toFixed(2));
    return { startMs, restMb, points, frames, cpuS };
  } finally {
    await daemon.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

const collector = createServer((request, response) => {
  request.resume().on("end", () => response.end());
});
await new Promise<void>((done) => collector.listen(0, "127.0.0.1", done));
const otlp = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
for (let round = 0; round < Number(process.argv[2] ?? 3); round++) {
  const port = await freePort();
  const page = ["--metrics-listen", `127.0.0.1:${port}`];
  console.log("off          ", JSON.stringify(await measure([], undefined)));
  console.log("page         ", JSON.stringify(await measure(page, port)));
  console.log("page, traces ", JSON.stringify(await measure([...page, "--otlp-endpoint", otlp], port)));
}
collector.close();
collector.closeAllConnections();
