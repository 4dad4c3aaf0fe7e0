/** `pkx status`. */
import { PipekitError, type Run, type StatusResponse } from "@pipekit/experiment";
import type { Command } from "commander";
import { bytes, count, duration } from "../format.ts";
import { whoAnswers } from "../lifecycle/index.ts";
import { type Commands, type Context, whole } from "./context.ts";
import { lagTable } from "./lag.ts";
import { locate } from "./locate.ts";
import { runDocument } from "./shapes.ts";
import { pairs, plain } from "./terminal.ts";

const ANSWER_TIMEOUT_MS = 3_000;

export function addStatusCommand(program: Command, commands: Commands): void {
  const status = program
    .command("status")
    .description("tell how the daemon is, and how far each sink of each unfinished run is; starts none")
    .option("--limit <n>", "at most so many runs", whole(1), 20);
  commands.define<{ limit: number }>(status, {
    starts: false,
    examples: "pkx status\npkx status --json | jq .pointsPending",
    run: (context, _args, { limit }) => showStatus(context, limit),
  });
}

async function showStatus(context: Context, limit: number): Promise<undefined> {
  const { signal } = context;
  const answer = await ifRunning(context, () =>
    context.withClient(async (client) => {
      const status = await client.status({ signal });
      const runs: Run[] = [];
      for await (const run of client.listRuns({ unfinished: true, signal })) {
        if (runs.push(run) > limit) break;
      }
      return { status, runs };
    }, false),
  );
  if (answer === undefined) {
    context.print({ running: false }, () => ["No daemon runs; clients start it when they need it."]);
    return;
  }
  const { status, runs } = answer;
  const shown = runs.slice(0, limit);
  const document = {
    running: true,
    ...status,
    unfinished: shown.map((run) => runDocument(run, { brief: true })),
  };
  context.print(document, () => [
    ...daemonLines(context, status),
    ...(shown.length === 0 ? [] : ["", ...lagTable(context, shown, Date.now() * 1000)]),
    ...(runs.length > shown.length ? ["More runs are unfinished; see them with --limit."] : []),
  ]);
}

function daemonLines({ paint }: Context, status: StatusResponse): string[] {
  const state = status.draining ? paint("yellow", "stopping") : paint("green", "running");
  const up = duration(Date.now() * 1000 - status.startedAtUs);
  const letters = `${count(status.deadLetters)} dead letters`;
  const idle = status.idleExitS === 0 ? "never" : `after ${duration(status.idleExitS * 1e6)} without work`;
  const quota = status.diskQuotaBytes === 0 ? "" : ` of ${bytes(status.diskQuotaBytes)}`;
  const lines = pairs([
    ["daemon", `version ${status.daemonVersion}, pid ${status.pid}, up ${up}, exits ${idle}`],
    ["endpoint", status.endpoint],
    ["state", status.stateFolder],
    ["log", status.logFile],
    ["memory", bytes(status.rssBytes)],
    ["disk", `${bytes(status.diskUsedBytes)}${quota} used, ${bytes(status.diskFreeBytes)} free`],
    [
      "journal",
      `${bytes(status.journalBytes)}, ${count(status.frames)} frames, ${count(status.points)} points`,
    ],
    ["runs", `${count(status.runs)}, ${count(status.runsRunning)} running`],
    ["delivery", `${count(status.pointsPending)} points pending, ${letters}`],
  ]);
  return [state, ...lines, ...status.warnings.map((text) => paint("yellow", `warning: ${plain(text)}`))];
}

/** What the daemon says, or undefined when nothing listens; what listens and does not answer is a failure. */
export async function ifRunning<T>(context: Context, ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof PipekitError) || error.code !== "DAEMON_UNAVAILABLE") throw error;
    const { socket, remote } = locate(context);
    // Nobody starts a daemon on another host.
    if (remote) throw error;
    const { kind } = await whoAnswers(socket, ANSWER_TIMEOUT_MS);
    if (kind === "nothing" || kind === "dead") return undefined;
    throw error;
  }
}
