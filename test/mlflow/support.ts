/** What the MLflow tests share. */

import type {
  AdapterContext,
  OpenResult,
  SinkRun,
  TrackerAdapter,
  TrackerKind,
} from "@pipekit/adapters/tracker";

export { file, point } from "../support/sink-records.ts";

export const NEVER = new AbortController().signal;

export const CONTEXT: AdapterContext = { env: {}, home: "/nonexistent", log: () => {} };

let runs = 0;

export function newRun(more: Partial<SinkRun> = {}): SinkRun {
  return {
    runId: `01MLFLOWTEST${process.pid}${(runs++).toString().padStart(5, "0")}`,
    name: "a run",
    pipelineHash: "ab".repeat(32),
    configJson: "{}",
    startedAtUs: 1_760_000_000_123_456,
    host: "host-a",
    client: "python/0.1.0",
    tags: {},
    ...more,
  };
}

export type Opened = { adapter: TrackerAdapter; run: SinkRun; open: Extract<OpenResult, { status: "ok" }> };

export async function openRun(
  kind: TrackerKind,
  spec: string,
  run = newRun(),
  context: AdapterContext = CONTEXT,
): Promise<Opened> {
  const adapter = kind.connect(kind.parse(spec), context);
  const open = await adapter.open(run, undefined, NEVER);
  if (open.status !== "ok") throw new Error(open.reason);
  return { adapter, run, open };
}
