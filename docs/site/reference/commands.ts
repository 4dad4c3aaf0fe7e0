/** Every command of pkx with its help, as the command itself prints it. */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Command } from "commander";
import { Commands } from "../../../daemon/cli/context.ts";
import { makeProgram, prepare, type Terminal } from "../../../daemon/cli/index.ts";
import { type Page, ROOT } from "../stage.ts";
import { generated } from "./page.ts";

const COLUMNS = 100;

/** A command by its full name, such as `pkx models store`. */
export interface NamedCommand {
  readonly name: string;
  readonly command: Command;
}

/** All commands, groups included, in the order of the help. Nothing of them runs. */
export function allCommands(program: Command): NamedCommand[] {
  const walk = (command: Command, name: string): NamedCommand[] => [
    { name, command },
    ...command.commands.flatMap((child) => walk(child, `${name} ${child.name()}`)),
  ];
  return walk(program, "pkx").filter(({ command }) => command.name() !== "help");
}

/** The commands of pkx, which write into `out` and never end the process. */
export function silentProgram(out: (text: string) => void = () => {}): Command {
  const terminal: Terminal = {
    env: {},
    out,
    err: out,
    isTerminal: false,
    columns: COLUMNS,
    rows: 50,
    signal: new AbortController().signal,
  };
  const program = makeProgram(new Commands(terminal));
  prepare(program, terminal);
  return program;
}

/** The page of the commands. */
export function commandsPage(): Page {
  let printed = "";
  const program = silentProgram((text) => {
    printed += text;
  });
  const lines = ["# Commands", "", "What `pkx help` says, of every command.", ""];
  for (const { name, command } of allCommands(program)) {
    printed = "";
    if (hasOwnHelp(command)) printed = helpOfProcess(name.split(" ").slice(1));
    else command.outputHelp();
    lines.push(`${name === "pkx" ? "##" : "#".repeat(name.split(" ").length)} ${name}`, "");
    lines.push("```text", printed.trim(), "```", "");
  }
  return generated("commands.md", lines);
}

/** Whether a command reads its arguments itself, as those do that must start fast. */
function hasOwnHelp(command: Command): boolean {
  return command.createHelp().visibleOptions(command).length === 0;
}

function helpOfProcess(words: readonly string[]): string {
  const args = ["--disable-warning=ExperimentalWarning", join(ROOT, "daemon/main.ts"), ...words, "--help"];
  return execFileSync(process.execPath, args, { encoding: "utf8" });
}
