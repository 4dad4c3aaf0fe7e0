/** `pkx restore`: brings a backup into a folder that no daemon has. */
import { resolve } from "node:path";
import { PipekitError, stateFolder } from "@pipekit/experiment";
import type { Command } from "commander";
import { ensurePrivateFolder, stateLayout } from "../config/index.ts";
import { bytes, count } from "../format.ts";
import { StateLock } from "../lifecycle/index.ts";
import type { Commands, Context } from "./context.ts";
import { ProgressLine } from "./progress.ts";
import { TakingOver } from "./taking-over.ts";
import { plain } from "./terminal.ts";

interface RestoreSettings {
  readonly check?: boolean;
  readonly withoutDelivery?: boolean;
}

export function addRestoreCommand(program: Command, commands: Commands): void {
  const restore = program
    .command("restore")
    .description("bring a backup into a state folder that holds nothing; every byte is checked before")
    .argument("<backup>", "what pkx backup wrote")
    .option("--check", "only check every byte; nothing is written")
    .option("--without-delivery", "a copy to look at: its daemon sends nothing to trackers");
  commands.define<RestoreSettings>(restore, {
    starts: false,
    examples:
      "pkx restore /mnt/backups/monday\npkx restore /mnt/backups/monday.tar --state-dir /tmp/look --without-delivery\npkx restore /mnt/backups/monday --check",
    run: (context, [backup = ""], settings) =>
      settings.check === true
        ? runCheck(context, resolve(backup))
        : runRestore(context, resolve(backup), settings.withoutDelivery !== true),
  });
}

async function runCheck(context: Context, backup: string): Promise<undefined> {
  const { checkBackup } = await import("../backup/index.ts");
  const manifest = await showing(context, (onChecked) =>
    checkBackup(backup, async () => undefined, onChecked, context.signal),
  );
  context.print({ backup, ...manifest }, () => [`${backup} is as it was written: ${contents(manifest)}`]);
}

async function runRestore(context: Context, backup: string, delivers: boolean): Promise<undefined> {
  const { restoreBackup } = await import("../backup/index.ts");
  const folder = resolve(context.options.stateDir ?? stateFolder(context.terminal.env));
  ensurePrivateFolder(folder);
  const lock = StateLock.take(stateLayout(folder).lockFile);
  if (lock === undefined) {
    throw new PipekitError("INVALID_ARGUMENT", `A daemon uses ${folder}.`, {
      field: "state-dir",
      mend: "Restore into another folder, or stop it with `pkx stop` and move its folder away.",
    });
  }
  const takingOver = new TakingOver(folder, delivers);
  try {
    const manifest = await showing(context, (onChecked) =>
      restoreBackup(
        {
          ...{ backup, stateFolder: folder, delivers, onChecked },
          decide: ({ origin }) => takingOver.decide(origin),
        },
        context.signal,
      ),
    );
    const { superseded } = takingOver;
    context.print({ stateFolder: folder, delivers, superseded, ...manifest }, () => [
      `Restored to ${folder}: ${contents(manifest)}`,
      ...(superseded === ""
        ? []
        : [`No daemon starts in ${superseded} any more: it would deliver the same runs.`]),
      ...(delivers ? [] : ["Its daemon sends nothing to trackers."]),
      ...manifest.notes.map((note) => context.paint("yellow", plain(note))),
    ]);
  } finally {
    takingOver.release();
    lock.release();
  }
}

async function showing<T>(
  context: Context,
  work: (onChecked: (done: { readonly files: number; readonly bytes: number }) => void) => Promise<T>,
): Promise<T> {
  const line = new ProgressLine(context.terminal);
  try {
    return await work(({ files, bytes: size }) => line.show(`${count(files)} files, ${bytes(size)}`));
  } finally {
    line.clear();
  }
}

function contents(manifest: {
  readonly at_us: number;
  readonly files: number;
  readonly bytes: number;
  readonly runs: number;
  readonly points: number;
}): string {
  const { at_us, files, runs, points } = manifest;
  const when = new Date(at_us / 1000).toISOString();
  return `${count(files)} files, ${bytes(manifest.bytes)}; ${count(runs)} runs, ${count(points)} points, as of ${when}.`;
}
