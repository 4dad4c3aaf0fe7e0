import { styleText } from "node:util";
import type { Env } from "../config/index.ts";

/** What a command reads and writes: the process, or a test. */
export interface Terminal {
  readonly env: Env;
  /** Writes to standard output; the text ends its own lines. */
  out(text: string): void;
  err(text: string): void;
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean;
  /** Columns and rows of it. */
  readonly columns: number;
  readonly rows: number;
  /** Calls back with each key until the returned function is called; absent where there is no keyboard. */
  readonly onKey?: (listener: (key: string) => void) => () => void;
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal;
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  const interrupted = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => interrupted.abort(new Error(`Interrupted by ${name}.`)));
  }
  // Who reads us may have read enough, such as `head`.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
  return {
    env: process.env,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    isTerminal: process.stdout.isTTY === true,
    get columns() {
      return process.stdout.columns ?? 80;
    },
    get rows() {
      return process.stdout.rows ?? 24;
    },
    signal: interrupted.signal,
    ...(process.stdin.isTTY && { onKey }),
  };
}

/** Takes keys as they are pressed. Ctrl-C comes as a key then, not as a signal. */
function onKey(listener: (key: string) => void): () => void {
  const { stdin } = process;
  const heard = (data: Buffer) => listener(data.toString());
  stdin.setRawMode(true);
  stdin.on("data", heard);
  return () => {
    stdin.off("data", heard);
    stdin.setRawMode(false);
    stdin.pause();
  };
}

type Style = Parameters<typeof styleText>[0];

/** Paints text where colours are shown: on a terminal, without NO_COLOR, or with FORCE_COLOR. */
export function painter({ env, isTerminal }: Terminal): (style: Style, text: string) => string {
  const forced = env["FORCE_COLOR"] !== undefined && env["FORCE_COLOR"] !== "0";
  const shown = forced || (isTerminal && !env["NO_COLOR"] && env["TERM"] !== "dumb");
  return (style, text) => (shown ? styleText(style, text, { validateStream: false }) : text);
}

/** Text of a stranger, such as a run's name, without what would steer the terminal. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd");
}

/** One column of a table. */
export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

/** Lines of a table: columns as wide as they must be, nothing after the last. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const clean = rows.map((row) => row.map(oneLine));
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...clean.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (columns[i]?.right ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...clean.map(line)];
}

/** Lines of names and values, the values below each other. */
export function pairs(entries: readonly (readonly [string, string])[], indent = ""): string[] {
  const width = Math.max(0, ...entries.map(([name]) => oneLine(name).length));
  return entries.map(([name, value]) =>
    `${indent}${oneLine(name).padEnd(width)}  ${oneLine(value)}`.trimEnd(),
  );
}

function oneLine(text: string): string {
  return plain(text).replace(/\s*\n\s*/g, " ");
}
