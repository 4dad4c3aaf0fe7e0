/** `pkx sync`. */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { PipekitError, type SyncResponse } from "@pipekit/experiment";
import type { Command } from "commander";
import { count } from "../format.ts";
import { type Commands, type Context, collect } from "./context.ts";
import { EXIT } from "./exit.ts";
import { ProgressLine } from "./progress.ts";
import { plain } from "./terminal.ts";

interface SyncSettings {
  readonly to?: readonly string[];
  readonly tracker?: string;
  readonly keepSinks?: boolean;
  readonly follow?: boolean;
  readonly all?: boolean;
}

export function addSyncCommand(program: Command, commands: Commands): void {
  const sync = program
    .command("sync")
    .description("bring runs, or a state folder from elsewhere, to trackers; may be repeated and broken off")
    .argument("[what...]", "run ids (or their first 8 characters or more), or one state folder")
    .option(
      "--to <spec>",
      "tracker spec to add; may be repeated (default: wait for the sinks there)",
      collect,
    )
    .option("--tracker <name>", "a tracker named in the daemon's config")
    .option("--all", "all runs of this daemon")
    .option("--keep-sinks", "with a state folder: deliver to the sinks that its runs were started with, too")
    .option("--follow", "go on with what is logged from now on, until the runs end")
    .addHelpText(
      "after",
      "\nDelivery is the daemon's: Ctrl-C stops the telling, and the daemon goes on with what was added.",
    );
  commands.define<SyncSettings>(sync, {
    examples: `pkx sync 01JB3C8Z --to mlflow+http://127.0.0.1:5000/digits
pkx sync /mnt/cluster/pipekit-state --to wandb://team/digits
pkx sync --all --to tensorboard:///tmp/events --json`,
    run: runSync,
  });
}

async function runSync(context: Context, args: readonly string[], settings: SyncSettings): Promise<number> {
  const what = await chosen(args, settings.all === true);
  const options = {
    ...what,
    sinks: settings.to,
    tracker: settings.tracker,
    keepSinks: settings.keepSinks,
    follow: settings.follow,
    signal: context.signal,
  };
  const line = new ProgressLine(context.terminal);
  let last: SyncResponse | undefined;
  const notes: string[] = [];
  try {
    await context.withClient(async (client) => {
      for await (const progress of client.delivery.sync(options)) {
        last = progress;
        notes.push(...progress.notes);
        if (context.json) context.printItem(progress, () => []);
        else line.show(sentence(progress));
      }
    });
  } finally {
    line.clear();
  }
  if (last === undefined) return EXIT.failed;
  if (!context.json) context.lines([sentence(last), ...notes.map((note) => `note: ${plain(note)}`)]);
  return last.pointsPending === 0 && last.runs === last.runsDelivered ? EXIT.ok : EXIT.failed;
}

/** A lone argument that is a folder is a state folder; all others are run ids. */
async function chosen(
  args: readonly string[],
  all: boolean,
): Promise<{ runIds?: readonly string[]; stateFolder?: string }> {
  const folders = await Promise.all(args.map(isFolder));
  const [first = ""] = args;
  if (args.length === 1 && folders[0]) return { stateFolder: resolve(first) };
  const path = args.find((arg, index) => folders[index] || /[/\\]/.test(arg));
  if (path !== undefined) {
    const message = folders.some(Boolean)
      ? "A state folder stands alone."
      : `There is no folder ${path} to sync.`;
    throw new PipekitError("INVALID_ARGUMENT", message, {
      field: path,
      mend: "Give run ids, or the path of one state folder.",
    });
  }
  if (args.length === 0 && !all) {
    throw new PipekitError("INVALID_ARGUMENT", "Nothing is named to sync.", {
      field: "what",
      mend: "Give run ids, the path of a state folder, or --all.",
    });
  }
  return { runIds: args };
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

function sentence(progress: SyncResponse): string {
  const { runs, runsDelivered, framesRead, framesTaken, points, pointsPending, pointsDead } = progress;
  const frames =
    framesRead === 0 ? "" : `${count(framesRead)} frames read, ${count(framesTaken)} of them new; `;
  const dead = pointsDead === 0 ? "" : `, ${count(pointsDead)} refused`;
  const delivered = count(points - pointsPending - pointsDead);
  return `${frames}${count(runsDelivered)} of ${count(runs)} runs delivered; ${delivered} of ${count(points)} points${dead}.`;
}
