/**
 * `pkx`: the commands of a person at a terminal.
 *
 * Architecture Invariant: commands reach the daemon through `@pipekit/experiment`, as every client does; only `doctor`, `support-bundle`
 * and `logs` look at files, and change none, `artifact` reads the file that it is given, `journal` and `restore` work on a
 * state folder while no daemon can, and `models cache` on files that can be fetched again.
 */
import { Command } from "commander";
import { VERSION } from "../version.ts";
import { addArtifactCommands } from "./artifact.ts";
import { addAuditCommands } from "./audit.ts";
import { addBackupCommand } from "./backup.ts";
import { Commands, report } from "./context.ts";
import { addDaemonCommands } from "./daemon.ts";
import { addDataCommands } from "./data.ts";
import { addDeadLetterCommands } from "./dead-letters.ts";
import { addDoctorCommand } from "./doctor.ts";
import { EXIT_HELP } from "./exit.ts";
import { addHydraCommands } from "./hydra.ts";
import { addImportCommand } from "./import.ts";
import { addJournalCommands } from "./journal.ts";
import { addLogCommand } from "./logs.ts";
import { addLspCommand } from "./lsp.ts";
import { addModelCommands } from "./models.ts";
import { addPruneCommand } from "./prune.ts";
import { addRestoreCommand } from "./restore.ts";
import { addRunCommands } from "./runs.ts";
import { addStatusCommand } from "./status.ts";
import { addSupportBundleCommand } from "./support-bundle.ts";
import { addSyncCommand } from "./sync.ts";
import { addTagCommands } from "./tags.ts";
import { processTerminal, type Terminal } from "./terminal.ts";
import { addTopCommand } from "./top.ts";
import { addUiCommand } from "./ui.ts";
import { addWaitCommand } from "./wait.ts";
import { addWhoamiCommand } from "./whoami.ts";

export type { Terminal } from "./terminal.ts";

/** Runs `pkx` with the arguments after its name; resolves with the exit code. Never rejects. */
export async function runCli(
  args: readonly string[],
  terminal: Terminal = processTerminal(),
): Promise<number> {
  const commands = new Commands(terminal);
  const program = makeProgram(commands);
  prepare(program, terminal);
  try {
    await program.parseAsync(args, { from: "user" });
    return commands.exitCode;
  } catch (error) {
    return report(error, terminal, args.includes("--json"));
  }
}

/** All commands with their options and help; the reference of the documentation is made of it. */
export function makeProgram(commands: Commands): Command {
  const program = new Command("pkx")
    .description("Experiment tracking and model registry of pipekit, through one local daemon.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .addHelpText("after", `\n${EXIT_HELP}\n\nExamples:\n${EXAMPLES.replace(/^/gm, "  ")}`);
  addDaemonCommands(program, commands);
  addStatusCommand(program, commands);
  addWhoamiCommand(program, commands);
  addWaitCommand(program, commands);
  addTopCommand(program, commands);
  addUiCommand(program, commands);
  addDoctorCommand(program, commands);
  addSupportBundleCommand(program, commands);
  addRunCommands(program, commands);
  addSyncCommand(program, commands);
  addImportCommand(program, commands);
  addDeadLetterCommands(program, commands);
  addPruneCommand(program, commands);
  addAuditCommands(program, commands);
  addBackupCommand(program, commands);
  addRestoreCommand(program, commands);
  addJournalCommands(program, commands);
  addLogCommand(program, commands);
  addModelCommands(program, commands);
  addTagCommands(program, commands);
  addHydraCommands(program, commands);
  addDataCommands(program, commands);
  addArtifactCommands(program, commands);
  addLspCommand(program, commands);
  return program;
}

const EXAMPLES = `pkx status
pkx runs list
pkx top
pkx ui
pkx runs show 01JB3C8Z --metric loss
pkx sync 01JB3C8Z --to wandb://team/digits
pkx tag candidate production --force --reason "passed review"
pkx models load production --to weights.safetensors`;

/** Commander writes to the terminal given, and throws instead of ending the process. Settings are not inherited. */
export function prepare(command: Command, terminal: Terminal): void {
  command.exitOverride().showHelpAfterError("Add --help for help.");
  command.configureOutput({
    writeOut: (text) => terminal.out(text),
    writeErr: (text) => terminal.err(text),
    getOutHelpWidth: () => Math.min(terminal.columns, 110),
    getErrHelpWidth: () => Math.min(terminal.columns, 110),
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  });
  for (const child of command.commands) prepare(child, terminal);
}
