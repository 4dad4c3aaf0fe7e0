/** `pkx logs`: the daemon's log, read from its file, so that it can be read when no daemon runs. */
import { createReadStream, existsSync, statSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { PipekitError } from "@pipekit/experiment";
import { type Command, Option } from "commander";
import { stateLayout } from "../config/index.ts";
import { type Commands, type Context, whole } from "./context.ts";
import { locate } from "./locate.ts";
import { plain } from "./terminal.ts";

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
const POLL_MS = 200;

interface LogsOptions {
  readonly follow?: boolean;
  readonly lines: number;
  readonly level?: (typeof LEVELS)[number];
}

export function addLogCommand(program: Command, commands: Commands): void {
  const logs = program
    .command("logs")
    .description("show the daemon's log; starts no daemon")
    .option("-f, --follow", "go on with what is added, until Ctrl-C")
    .option("-n, --lines <n>", "the last so many lines", whole(0), 50)
    .addOption(new Option("--level <level>", "only this level and worse").choices(LEVELS));
  commands.define<LogsOptions>(logs, {
    starts: false,
    examples: "pkx logs\npkx logs -f --level warn\npkx logs --json | jq -r .msg",
    run: (context, _args, options) => showLog(context, options),
  });
}

async function showLog(context: Context, { follow, lines, level }: LogsOptions): Promise<undefined> {
  const { logFile } = stateLayout(locate(context).state);
  if (!existsSync(logFile) && !follow) {
    throw new PipekitError("INVALID_ARGUMENT", `There is no log at ${logFile}.`, {
      field: logFile,
      mend: "A daemon writes it; name its state folder with --state-dir.",
    });
  }
  const least = level === undefined ? 0 : LEVELS.indexOf(level);
  const show = (line: string) => {
    const entry = parseEntry(line);
    if (entry !== undefined && LEVELS.indexOf(entry.level) < least) return;
    if (entry === undefined || context.json) context.terminal.out(`${line}\n`);
    else context.terminal.out(`${prettyEntry(context, entry)}\n`);
  };
  const tail: string[] = [];
  let offset = await readLines(logFile, 0, (line) => {
    tail.push(line);
    if (tail.length > Math.max(lines * 2, 1000)) tail.splice(0, tail.length - lines);
  });
  for (const line of lines === 0 ? [] : tail.slice(-lines)) show(line);
  while (follow) {
    const before = identity(logFile);
    await sleep(POLL_MS, undefined, { signal: context.signal });
    const now = identity(logFile);
    if (before !== undefined && now !== undefined && now.inode !== before.inode) {
      // The log was rotated: what came before goes on under the first old name.
      await readLines(`${logFile}.1`, offset, show);
      offset = 0;
    }
    offset = await readLines(logFile, offset, show);
  }
}

function identity(file: string): { readonly inode: number } | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat === undefined ? undefined : { inode: stat.ino };
}

/** Reads whole lines from an offset; returns the offset after the last of them. */
async function readLines(file: string, from: number, take: (line: string) => void): Promise<number> {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= from) return Math.min(size, from);
  let at = from;
  const input = createReadStream(file, { start: from, end: size - 1 });
  let last = "";
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    at += Buffer.byteLength(line) + 1;
    if (at > size) last = line;
    else take(line);
  }
  // A line without its end is still being written.
  return last === "" ? at : at - Buffer.byteLength(last) - 1;
}

/** One line of the log. */
interface Entry {
  readonly level: (typeof LEVELS)[number];
  readonly time: string;
  readonly message: string;
  readonly fields: { readonly [name: string]: unknown };
}

function parseEntry(line: string): Entry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { level, time, msg, pid: _pid, ...fields } = value as { [name: string]: unknown };
  const known = LEVELS.find((name) => name === level);
  if (known === undefined) return undefined;
  return { level: known, time: String(time ?? ""), message: String(msg ?? ""), fields };
}

const COLOURS = {
  trace: "dim",
  debug: "dim",
  info: "green",
  warn: "yellow",
  error: "red",
  fatal: "red",
} as const;

function prettyEntry({ paint }: Context, { level, time, message, fields }: Entry): string {
  const { err, ...others } = fields;
  const stack = typeof err === "object" && err !== null && "stack" in err ? `\n${String(err.stack)}` : "";
  const rest = Object.entries(others)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
  const head = `${paint("dim", time)} ${paint(COLOURS[level], level.toUpperCase().padEnd(5))} ${plain(message)}`;
  return `${head}${rest === "" ? "" : `  ${paint("dim", plain(rest))}`}${plain(stack)}`;
}
