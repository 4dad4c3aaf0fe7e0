/** `pkx doctor`: finds the usual faults and says how to mend each. */
import type { Command } from "commander";
import { counted } from "../format.ts";
import { examine, type Finding } from "./checks/index.ts";
import type { Commands, Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { plain } from "./terminal.ts";

export function addDoctorCommand(program: Command, commands: Commands): void {
  commands.define(
    program.command("doctor").description("find the usual faults and say how to mend them; starts no daemon"),
    {
      starts: false,
      examples: "pkx doctor\npkx doctor --json | jq '.findings[] | select(.state == \"problem\")'",
      run: showFindings,
    },
  );
}

async function showFindings(context: Context): Promise<number> {
  const findings = await examine(context);
  const problems = findings.filter(({ state }) => state === "problem").length;
  context.print({ ok: problems === 0, findings }, () => [
    ...findings.flatMap((finding) => findingLines(context, finding)),
    problems === 0 ? "No problems found." : `${counted(problems, "problem")} found.`,
  ]);
  return problems === 0 ? EXIT.ok : EXIT.failed;
}

function findingLines({ paint }: Context, { check, state, message, mend }: Finding): string[] {
  const mark = {
    ok: paint("green", "ok     "),
    note: paint("cyan", "note   "),
    problem: paint("red", "problem"),
  }[state];
  return [
    `${mark}  ${check.padEnd(14)}  ${plain(message)}`,
    ...(mend === undefined ? [] : [`${" ".repeat(25)}${plain(mend)}`]),
  ];
}
