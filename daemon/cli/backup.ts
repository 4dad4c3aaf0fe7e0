/** `pkx backup`. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { bytes, count } from "../format.ts";
import type { Commands, Context } from "./context.ts";
import { ProgressLine } from "./progress.ts";
import { plain } from "./terminal.ts";

interface BackupSettings {
  readonly withConfig?: boolean;
}

export function addBackupCommand(program: Command, commands: Commands): void {
  const backup = program
    .command("backup")
    .description("write a backup of the state folder while the daemon goes on; restore it with pkx restore")
    .argument("<target>", "a new folder, or a new file whose name ends in .tar")
    .option("--with-config", "put the config file in, too; files with secrets are never put in");
  commands.define<BackupSettings>(backup, {
    examples: "pkx backup /mnt/backups/monday\npkx backup /mnt/backups/monday.tar --with-config",
    run: runBackup,
  });
}

async function runBackup(
  context: Context,
  [target = ""]: readonly string[],
  { withConfig }: BackupSettings,
): Promise<undefined> {
  const line = new ProgressLine(context.terminal);
  try {
    const made = await context.withClient((client) =>
      client.backup(resolve(target), {
        includeConfig: withConfig,
        onProgress: ({ phase, bytesDone, bytesTotal }) => {
          const of = bytesTotal === 0 ? "" : ` of ${bytes(bytesTotal)}`;
          line.show(`${phase}: ${bytes(bytesDone)}${of}`);
        },
        signal: context.signal,
      }),
    );
    line.clear();
    const linked = made.linkedFiles === 0 ? "" : `, ${count(made.linkedFiles)} of them hard links`;
    context.print(made, () => [
      `${made.path}: ${count(made.files)} files${linked}, ${bytes(made.bytes)}; ${count(made.runs)} runs, ${count(made.points)} points.`,
      ...made.notes.map((note) => context.paint("yellow", plain(note))),
      ...made.leftOut.map((what) => `Not in it: ${plain(what)}`),
    ]);
  } finally {
    line.clear();
  }
}
