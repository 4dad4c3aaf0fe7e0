import type { Command } from "vscode-languageserver/node";

/** Commands of the server, by what they do; docs/editor-protocol.md tells their arguments. */
export const COMMANDS = {
  promote: "pipekit.promote",
  rollback: "pipekit.rollback",
  showRun: "pipekit.showRun",
  showModel: "pipekit.showModel",
} as const;

/** A command with its one argument, an object. */
export function commandOf(
  title: string,
  command: (typeof COMMANDS)[keyof typeof COMMANDS],
  argument: Readonly<{ [name: string]: unknown }>,
): Command {
  return { title, command, arguments: [argument] };
}
