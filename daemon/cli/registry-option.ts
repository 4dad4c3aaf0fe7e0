import { type Command, Option } from "commander";

/** Option of all commands that speak to a registry. */
export interface RegistryOption {
  readonly registry: string;
}

/** Gives a command the option that names the registry. */
export function withRegistry(command: Command): Command {
  return command.addOption(
    new Option("--registry <spec>", "such as local:/srv/models").default("", "the state folder's"),
  );
}
