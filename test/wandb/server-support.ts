/** What the tests of the W&B server mode share. */

import type {
  AdapterContext,
  AdapterMemo,
  OpenResult,
  SinkRecord,
  SinkRun,
  TrackerAdapter,
} from "@pipekit/adapters/tracker";
import { type ServerOptions, WandbServerAdapter } from "../../adapters/wandb/server/adapter.ts";
import { parseSpec } from "../../adapters/wandb/spec.ts";
import { FAKE_KEY, type FakeWandb, type FakeWandbRun, type SeenCall } from "../support/fake-wandb.ts";

export const NEVER = new AbortController().signal;
export const START_US = 1_760_000_000_000_000;
export const CONTEXT: AdapterContext = {
  env: { WANDB_API_KEY: FAKE_KEY },
  home: "/nonexistent",
  log: () => {},
};

let runs = 0;

export function newRun(more: Partial<SinkRun> = {}): SinkRun {
  return {
    runId: `01WANDBTEST${process.pid}${(runs++).toString().padStart(5, "0")}`,
    name: "a run",
    pipelineHash: "ab".repeat(32),
    configJson: "{}",
    startedAtUs: START_US,
    host: "host-a",
    client: "python/0.1.0",
    tags: {},
    ...more,
  };
}

export function point(key: string, step: number, value: number): SinkRecord {
  return { kind: "point", key, step, value, timeUs: START_US + step * 1_000_000 };
}

export interface Settings {
  readonly path?: string;
  readonly context?: Partial<AdapterContext>;
  readonly options?: ServerOptions;
}

export function connect(server: Pick<FakeWandb, "host">, settings: Settings = {}): WandbServerAdapter {
  const spec = parseSpec(`wandb+http://${server.host}/${settings.path ?? "team/proj"}`);
  if (spec.mode !== "server") throw new Error("No spec of a server.");
  return new WandbServerAdapter(spec, { ...CONTEXT, ...settings.context }, settings.options);
}

export async function openRun(
  adapter: TrackerAdapter,
  run: SinkRun,
  memo?: AdapterMemo,
): Promise<Extract<OpenResult, { status: "ok" }>> {
  const open = await adapter.open(run, memo, NEVER);
  if (open.status !== "ok") throw new Error(open.reason);
  return open;
}

/** The only run that the server has of ours. */
export function theRun(server: FakeWandb, run: SinkRun): FakeWandbRun {
  const [found, ...more] = server.runsOf(run.runId);
  if (found === undefined || more.length > 0) throw new Error(`${more.length} runs more than one`);
  return found;
}

export const callsOf = (server: FakeWandb, name: string): readonly SeenCall["body"][] =>
  server.calls.filter((call) => call.name === name).map(({ body }) => body);
