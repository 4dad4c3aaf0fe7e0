/** What the documentation says of pkx: every command that it shows is there, with the options that it shows. */

import type { Command } from "commander";
import { expect, test } from "vitest";
import { silentProgram } from "../../docs/site/reference/commands.ts";
import { blocksOf, markdownFiles, readMarkdown } from "./markdown.ts";

const program = silentProgram();

/** Lines that call pkx: in blocks of shell, in plain blocks and indented ones as `host$ pkx ...`, and as inline code. */
function callsOf(page: string, text = readMarkdown(page)): string[] {
  const shell = blocksOf(page, text)
    .filter(({ language }) => language === "sh")
    .flatMap(({ code }) => code.replace(/\\\n/g, " ").split("\n"))
    .filter((line) => !/^\s*#/.test(line))
    .flatMap((line) =>
      [...line.matchAll(/(?:^|[|;&(]\s*|\$ )(pkx [^|;&)#>]+)/g)].map(([, call = ""]) => call),
    );
  const prompts = [...text.matchAll(/^(?: {4})?\w*\$ +(pkx [^|;&#>\n]+)/gm)].map(([, call = ""]) => call);
  const prose = text.replace(/^```.*?^```$/gms, "");
  const inline = [...prose.matchAll(/`(pkx [^`\n]+)`/g)].map(([, call = ""]) => call);
  return [...shell, ...prompts, ...inline];
}

/** What is wrong with a call; undefined when nothing is. */
function faultOf(call: string): string | undefined {
  const words = call
    .replace(/\[[^\]]*\]/g, "")
    .trim()
    .split(/\s+/)
    .slice(1)
    .filter((word) => word !== "...");
  let command: Command = program;
  while (words.length > 0 && command.commands.length > 0) {
    const [name = ""] = words;
    if (name.startsWith("-") || /^[A-Z]+$/.test(name)) break;
    // As in `pkx data add|status|push`.
    const names = name.split("|");
    const found = names.map((one) =>
      command.commands.find((child) => child.name() === one || child.aliases().includes(one)),
    );
    const unknown = names.find((_, i) => found[i] === undefined);
    if (unknown !== undefined) return `there is no command ${command.name()} ${unknown}`;
    command = found.at(-1) ?? command;
    words.shift();
  }
  if (command.createHelp().visibleOptions(command).length === 0) return undefined;
  const known = new Set(command.options.flatMap(({ long, short }) => [long, short]).concat("--help", "-h"));
  const flag = words
    .filter((word) => /^--?[a-z]/.test(word))
    .map((word) => word.split("=")[0] ?? "")
    .find((word) => !known.has(word));
  return flag === undefined ? undefined : `${command.name()} has no option ${flag}`;
}

test("every command that is shown is there, with its options", () => {
  const calls = markdownFiles()
    .filter((page) => page !== "CHANGELOG.md")
    .flatMap((page) => callsOf(page).map((call) => ({ page, call })));
  expect(calls.length).toBeGreaterThan(100);
  const faults = calls.map(({ page, call }) => ({ page, call, fault: faultOf(call) }));
  expect(faults.filter(({ fault }) => fault !== undefined)).toEqual([]);
});

test("a command and an option that are not there are found", () => {
  const text =
    "`pkx nonsense` and `pkx status --nonsense`\n```sh\npkx models nonsense\n```\n    here$ pkx runs list --none\n";
  expect(callsOf("docs/x.md", text).map(faultOf)).toEqual([
    "there is no command models nonsense",
    "list has no option --none",
    "there is no command pkx nonsense",
    "status has no option --nonsense",
  ]);
});
