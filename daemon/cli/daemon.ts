/** `pkx serve`, `status`, `stop`. */
import { setTimeout as sleep } from "node:timers/promises";
import { PipekitError, type StatusResponse } from "@pipekit/experiment";
import type { Command } from "commander";
import { whoAnswers } from "../lifecycle/index.ts";
import { type Commands, type Context, whole } from "./context.ts";
import { EXIT } from "./exit.ts";
import { bytes, count, duration } from "./format.ts";
import { locate } from "./locate.ts";
import { pairs } from "./terminal.ts";

const ANSWER_TIMEOUT_MS = 3_000;
const GONE_POLL_MS = 25;
const GONE_TIMEOUT_MS = 15_000;

export function addDaemonCommands(program: Command, commands: Commands): void {
  program
    .command("serve")
    .description("run the daemon in the foreground (clients start it by themselves)")
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .action(async (_options: unknown, command: Command) => {
      const { serve } = await import("../serve.ts");
      await serve(command.args);
      commands.exitCode = Number(process.exitCode ?? EXIT.ok);
    });

  commands.define(program.command("status").description("tell how the daemon is; starts none"), {
    starts: false,
    examples: "pkx status\npkx status --json | jq .pointsPending",
    run: status,
  });

  const stop = program
    .command("stop")
    .description("stop the daemon; nothing acknowledged is lost, delivery goes on at the next start")
    .option("--wait-for-delivery <seconds>", "first wait for the sinks, at most this long", whole(0), 0);
  commands.define<{ waitForDelivery: number }>(stop, {
    starts: false,
    examples: "pkx stop\npkx stop --wait-for-delivery 60",
    run: (context, _args, { waitForDelivery }) => stopDaemon(context, waitForDelivery),
  });
}

async function status(context: Context): Promise<undefined> {
  const answer = await ifRunning(context, () =>
    context.withClient((client) => client.status({ signal: context.signal }), false),
  );
  context.print(answer === undefined ? { running: false } : { running: true, ...answer }, () =>
    answer === undefined
      ? ["No daemon runs; clients start it when they need it."]
      : statusLines(context, answer),
  );
}

function statusLines({ paint }: Context, status: StatusResponse): string[] {
  const state = status.draining ? paint("yellow", "stopping") : paint("green", "running");
  const up = duration(Date.now() * 1000 - status.startedAtUs);
  const dead = `${count(status.deadLetters)} dead letters`;
  const idle = status.idleExitS === 0 ? "never" : `after ${duration(status.idleExitS * 1e6)} without work`;
  const lines = pairs([
    ["daemon", `version ${status.daemonVersion}, pid ${status.pid}, up ${up}, exits ${idle}`],
    ["endpoint", status.endpoint],
    ["state", status.stateFolder],
    ["log", status.logFile],
    ["memory", bytes(status.rssBytes)],
    [
      "journal",
      `${bytes(status.journalBytes)}, ${count(status.frames)} frames, ${count(status.points)} points`,
    ],
    ["runs", `${count(status.runs)}, ${count(status.runsRunning)} running`],
    ["delivery", `${count(status.pointsPending)} points pending, ${dead}`],
  ]);
  return [state, ...lines];
}

async function stopDaemon(context: Context, waitForDeliveryS: number): Promise<number> {
  const stopped = await ifRunning(context, () =>
    context.withClient(async (client) => {
      const pointsPending = await client.shutdown({ waitForDeliveryS, signal: context.signal });
      return { pid: client.daemon.pid, pointsPending };
    }, false),
  );
  if (stopped === undefined) {
    context.print({ stopped: false, running: false }, () => ["No daemon runs."]);
    return EXIT.ok;
  }
  const gone = await untilGone(stopped.pid, context.signal);
  context.print({ stopped: gone, running: !gone, ...stopped }, () => [
    gone ? `Stopped (pid ${stopped.pid}).` : `The daemon (pid ${stopped.pid}) is still stopping.`,
    ...(stopped.pointsPending > 0
      ? [`${count(stopped.pointsPending)} points are not delivered yet; they stay journaled.`]
      : []),
  ]);
  return gone ? EXIT.ok : EXIT.failed;
}

/** What the daemon says, or undefined when nothing listens; what listens and does not answer is a failure. */
async function ifRunning<T>(context: Context, ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof PipekitError) || error.code !== "DAEMON_UNAVAILABLE") throw error;
    const { kind } = await whoAnswers(locate(context).socket, ANSWER_TIMEOUT_MS);
    if (kind === "nothing" || kind === "dead") return undefined;
    throw error;
  }
}

async function untilGone(pid: number, signal: AbortSignal): Promise<boolean> {
  const deadline = Date.now() + GONE_TIMEOUT_MS;
  while (isAlive(pid)) {
    if (Date.now() > deadline) return false;
    await sleep(GONE_POLL_MS, undefined, { signal });
  }
  return true;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
