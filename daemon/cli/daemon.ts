/** `pkx serve`, `health`, `stop`. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { count } from "../format.ts";
import { liveProcess } from "../lifecycle/index.ts";
import { type Commands, type Context, whole } from "./context.ts";
import { EXIT } from "./exit.ts";
import { ifRunning } from "./status.ts";

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

  program
    .command("health")
    .description("ask whether the daemon serves, quickly; for probes")
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .action(async (_options: unknown, command: Command) => {
      const { health } = await import("../health.ts");
      commands.exitCode = await health(command.args);
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

async function untilGone(pid: number, signal: AbortSignal): Promise<boolean> {
  const deadline = Date.now() + GONE_TIMEOUT_MS;
  // One that only waits for its parent, a client that has started it, is gone.
  while (liveProcess(pid) !== undefined) {
    if (Date.now() > deadline) return false;
    await sleep(GONE_POLL_MS, undefined, { signal });
  }
  return true;
}
