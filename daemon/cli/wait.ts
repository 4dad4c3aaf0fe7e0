/** `pkx wait`. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, type Run, RunState, SinkState } from "@pipekit/experiment";
import type { Command } from "commander";
import { count } from "../format.ts";
import { type Commands, type Context, whole } from "./context.ts";
import { EXIT } from "./exit.ts";
import { ifRunning } from "./status.ts";

const LOOK_MS = 250;
const SETTLED: ReadonlySet<SinkState> = new Set([SinkState.SINK_STATE_DONE, SinkState.SINK_STATE_REFUSED]);

export function addWaitCommand(program: Command, commands: Commands): void {
  const wait = program
    .command("wait")
    .description(
      "wait until no run is written any more and its sinks have everything; starts and stops nothing",
    )
    .option("--timeout <seconds>", "at most this long; 0 for as long as it takes", whole(0), 0);
  commands.define<{ timeout: number }>(wait, {
    starts: false,
    examples: "pkx wait\npkx wait --timeout 60",
    run: (context, _args, { timeout }) => waitForAll(context, timeout),
  });
}

/** Exit code 0 when all is delivered, or no daemon runs; 1 when the time is over before. */
async function waitForAll(context: Context, timeoutS: number): Promise<number> {
  const until = timeoutS === 0 ? Number.POSITIVE_INFINITY : performance.now() + timeoutS * 1000;
  const waits = await ifRunning(context, () =>
    context.withClient(async (client) => {
      for (;;) {
        const open = await openRuns(client, context.signal);
        if (open === 0 || performance.now() + LOOK_MS > until) return open;
        await sleep(LOOK_MS, undefined, { signal: context.signal });
      }
    }, false),
  );
  const left = waits ?? 0;
  context.print({ running: waits !== undefined, runsLeft: left }, () => [
    left === 0 ? "Everything is delivered." : `${count(left)} runs go on or are not delivered yet.`,
  ]);
  return left === 0 ? EXIT.ok : EXIT.failed;
}

/** Runs that are running, or that a sink has not taken and may still take. */
async function openRuns(client: Client, signal: AbortSignal): Promise<number> {
  let open = 0;
  for await (const run of client.listRuns({ unfinished: true, signal })) if (isOpen(run)) open++;
  return open;
}

function isOpen({ state, sinks }: Run): boolean {
  return state === RunState.RUN_STATE_RUNNING || sinks.some((sink) => !SETTLED.has(sink.state));
}
