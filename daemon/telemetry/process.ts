import { readdir } from "node:fs/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { BatchObservableResult, Meter } from "@opentelemetry/api";
import type { Instruments } from "./instruments.ts";

/** Between two looks at the event loop, milliseconds. Its delay is what a look comes later than that. */
const LOOK_MS = 20;

/** Tells of the daemon's process at each reading. */
export class ProcessFigures {
  readonly #versions: { readonly version: string; readonly node: string };
  readonly #delays = monitorEventLoopDelay({ resolution: LOOK_MS });

  constructor(version: string) {
    this.#versions = { version, node: process.versions.node };
    this.#delays.enable();
  }

  register(meter: Meter, instruments: Instruments): void {
    const { memory, heap, files, cpu, uptime, build } = instruments;
    const { loopDelayMedian, loopDelayHigh, loopDelayMost } = instruments;
    meter.addBatchObservableCallback(
      (result) => this.#observe(result, instruments),
      [memory, heap, files, cpu, uptime, build, loopDelayMedian, loopDelayHigh, loopDelayMost],
    );
  }

  stop(): void {
    this.#delays.disable();
  }

  async #observe(result: BatchObservableResult, instruments: Instruments): Promise<void> {
    const { rss, heapUsed } = process.memoryUsage();
    result.observe(instruments.memory, rss);
    result.observe(instruments.heap, heapUsed);
    const { user, system } = process.cpuUsage();
    result.observe(instruments.cpu, user / 1e6, { "cpu.mode": "user" });
    result.observe(instruments.cpu, system / 1e6, { "cpu.mode": "system" });
    result.observe(instruments.uptime, process.uptime());
    result.observe(instruments.build, 1, this.#versions);
    this.#observeDelays(result, instruments);
    const open = await openFiles();
    if (open !== undefined) result.observe(instruments.files, open);
  }

  #observeDelays(result: BatchObservableResult, instruments: Instruments): void {
    const delays = this.#delays;
    if (delays.count === 0) return;
    const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - LOOK_MS / 1000);
    result.observe(instruments.loopDelayMedian, seconds(delays.percentile(50)));
    result.observe(instruments.loopDelayHigh, seconds(delays.percentile(99)));
    result.observe(instruments.loopDelayMost, seconds(delays.max));
    delays.reset();
  }
}

/** Descriptors of this process, but for that of the look; undefined where the system does not show them. */
async function openFiles(): Promise<number | undefined> {
  const names = await readdir("/proc/self/fd").catch(() => readdir("/dev/fd").catch(() => undefined));
  return names && names.length - 1;
}
