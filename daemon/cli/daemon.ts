/** `pkx serve`, `health`, `stop`. */
import type { Command } from "commander";
import { count } from "../format.ts";
import { type Commands, type Context, whole } from "./context.ts";
import { EXIT } from "./exit.ts";
import { untilGone } from "./gone.ts";
import { ifRunning } from "./status.ts";

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
      const { startedAtUs } = await client.status({ signal: context.signal });
      const pointsPending = await client.shutdown({ waitForDeliveryS, signal: context.signal });
      return { pid: client.daemon.pid, startedAtUs, pointsPending };
    }, false),
  );
  if (stopped === undefined) {
    context.print({ stopped: false, running: false }, () => ["No daemon runs."]);
    return EXIT.ok;
  }
  const { pid, pointsPending } = stopped;
  const gone = await untilGone(context, stopped);
  context.print({ stopped: gone, running: !gone, pid, pointsPending }, () => [
    gone ? `Stopped (pid ${pid}).` : `The daemon (pid ${pid}) is still stopping.`,
    ...(pointsPending > 0
      ? [`${count(pointsPending)} points are not delivered yet; they stay journaled.`]
      : []),
  ]);
  return gone ? EXIT.ok : EXIT.failed;
}
