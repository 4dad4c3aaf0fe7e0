/** `pkx whoami`. */
import type { PrincipalRole } from "@pipekit/proto";
import type { Command } from "commander";
import type { Commands } from "./context.ts";
import { table } from "./terminal.ts";

export function addWhoamiCommand(program: Command, commands: Commands): void {
  const whoami = program
    .command("whoami")
    .description("tell who one is to the daemon, and in which roles; starts none");
  commands.define(whoami, {
    starts: false,
    examples: "pkx whoami\nPKX_ENDPOINT=https://host:7443 pkx whoami --json",
    run: async (context) => {
      const { principal, roles } = await context.withClient(async (client) => client.daemon, false);
      context.print({ principal, roles }, () => [principal, "", ...table(COLUMNS, roles.map(rowOf))]);
      return undefined;
    },
  });
}

const COLUMNS = [{ title: "ROLE" }, { title: "RUNS" }, { title: "TAGS" }, { title: "REGISTRIES" }];

function rowOf({ role, runs, tags, registries, runsOfOthers }: PrincipalRole): string[] {
  if (role === "admin") return [role, "all", "all", "all"];
  const own = role === "writer" && !runsOfOthers ? " (writes to its own)" : "";
  return [role, `${listed(runs)}${runs.length > 0 ? own : ""}`, listed(tags), listed(registries)];
}

function listed(patterns: readonly string[]): string {
  return patterns.length === 0 ? "none" : patterns.join(" ");
}
