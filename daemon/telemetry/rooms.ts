import type { BatchObservableResult, Meter } from "@opentelemetry/api";
import type { EndpointState } from "../delivery/index.ts";
import type { Journal } from "../journal/index.ts";
import type { Instruments } from "./instruments.ts";

/** What is asked of the daemon's rooms at each reading. */
export interface Sources {
  readonly journal: Pick<Journal, "totals" | "backlog">;
  readonly disk: () => Promise<{
    readonly quotaBytes: number;
    readonly usedBytes: number;
    readonly freeBytes: number;
  }>;
  readonly endpoints: () => readonly EndpointState[];
  readonly cacheUses: () => {
    readonly hits: number;
    readonly fetches: number;
    readonly fetchedBytes: number;
  };
}

/** Tells of the rooms at each reading. A room that does not answer is left out of that reading; the others are in it. */
export function registerRooms(meter: Meter, instruments: Instruments, sources: Sources): void {
  const { runs, journalSize, deadLetters, backlog, lag, sinks, endpoints } = instruments;
  const { diskUsed, diskFree, diskQuota, cacheUses, cacheFetched } = instruments;
  meter.addBatchObservableCallback(
    (result) => observeTotals(result, instruments, sources),
    [runs, journalSize, deadLetters],
  );
  meter.addBatchObservableCallback(
    (result) => observeBacklog(result, instruments, sources),
    [backlog, lag, sinks],
  );
  meter.addBatchObservableCallback((result) => observeEndpoints(result, instruments, sources), [endpoints]);
  meter.addBatchObservableCallback(
    (result) => observeDisk(result, instruments, sources),
    [diskUsed, diskFree, diskQuota],
  );
  meter.addBatchObservableCallback(
    (result) => observeCache(result, instruments, sources),
    [cacheUses, cacheFetched],
  );
}

async function observeTotals(
  result: BatchObservableResult,
  { runs, journalSize, deadLetters }: Instruments,
  { journal }: Sources,
): Promise<void> {
  const totals = await journal.totals();
  result.observe(runs, totals.runsRunning, { state: "running" });
  result.observe(runs, totals.runs - totals.runsRunning, { state: "ended" });
  result.observe(journalSize, totals.bytes);
  result.observe(deadLetters, totals.deadLetters);
}

/** Schemes of one tool, such as `mlflow+http` and `mlflow+https`, count as its kind. */
async function observeBacklog(
  result: BatchObservableResult,
  { backlog, lag, sinks }: Instruments,
  { journal }: Sources,
): Promise<void> {
  const groups = Map.groupBy(await journal.backlog(), ({ scheme, state }) => `${kindOf(scheme)} ${state}`);
  const nowUs = Date.now() * 1000;
  for (const group of groups.values()) {
    const [{ scheme, state } = { scheme: "", state: "" }] = group;
    const labels = { "sink.kind": kindOf(scheme), state };
    const oldestUs = Math.min(...group.map(({ pendingSinceUs }) => pendingSinceUs || nowUs));
    result.observe(sinks, sum(group.map((one) => one.sinks)), labels);
    result.observe(backlog, sum(group.map((one) => one.points)), labels);
    result.observe(lag, Math.max(0, nowUs - oldestUs) / 1e6, labels);
  }
}

function kindOf(scheme: string): string {
  return scheme.split("+", 1)[0] ?? "";
}

async function observeEndpoints(
  result: BatchObservableResult,
  { endpoints }: Instruments,
  sources: Sources,
): Promise<void> {
  for (const [kind, states] of Map.groupBy(sources.endpoints(), (state) => state.kind)) {
    const open = states.filter(({ isOpen }) => isOpen).length;
    result.observe(endpoints, open, { "sink.kind": kind, breaker: "open" });
    result.observe(endpoints, states.length - open, { "sink.kind": kind, breaker: "closed" });
  }
}

async function observeDisk(
  result: BatchObservableResult,
  { diskUsed, diskFree, diskQuota }: Instruments,
  { disk }: Sources,
): Promise<void> {
  const { usedBytes, freeBytes, quotaBytes } = await disk();
  result.observe(diskUsed, usedBytes);
  result.observe(diskFree, freeBytes);
  result.observe(diskQuota, quotaBytes);
}

function observeCache(
  result: BatchObservableResult,
  { cacheUses, cacheFetched }: Instruments,
  sources: Sources,
): void {
  const { hits, fetches, fetchedBytes } = sources.cacheUses();
  result.observe(cacheUses, hits, { outcome: "hit" });
  result.observe(cacheUses, fetches, { outcome: "fetched" });
  result.observe(cacheFetched, fetchedBytes);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}
