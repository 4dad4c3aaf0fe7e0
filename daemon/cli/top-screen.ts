/** The screen of `pkx top`, as lines. */
import type { Run, Sink } from "@pipekit/experiment";
import { bytes, count, duration, figure } from "../format.ts";
import type { Context } from "./context.ts";
import { secondsBehind, short, trouble } from "./lag.ts";
import { runState, sinkState } from "./shapes.ts";
import { sparkline } from "./sparkline.ts";
import { plain, type Terminal } from "./terminal.ts";
import type { Row, TopModel } from "./top-model.ts";

const SPARK_WIDTH = 16;
const STATE_COLOURS: { readonly [state: string]: "green" | "red" | "cyan" | "yellow" } = {
  running: "cyan",
  completed: "green",
  failed: "red",
  retrying: "yellow",
  refused: "red",
  done: "green",
};

/** Everything there is to show, from the run `first` on. */
export function topLines(context: Context, model: TopModel, first: number, nowUs: number): string[] {
  const runs = model.rows();
  const body = runs.slice(first).flatMap((row) => ["", ...runLines(context, row, nowUs)]);
  return [...headLines(context, model), ...(runs.length === 0 ? ["", "No runs yet."] : body)];
}

/** Lines as a whole screen: cut to it, and filled up to the foot in its last row. */
export function toScreen(lines: readonly string[], foot: string, { columns, rows }: Terminal): string[] {
  const room = Math.max(4, rows) - 1;
  const shown = lines.slice(0, room).map((line) => cut(line, columns));
  return [...shown, ...Array(room - shown.length).fill(""), cut(foot, columns)];
}

function headLines({ paint }: Context, { status }: TopModel): string[] {
  if (status === undefined) return [paint("bold", "pkx top")];
  const parts = [
    `${count(status.runsRunning)} running`,
    `${count(status.points)} points`,
    `${count(status.pointsPending)} pending`,
    `${count(status.deadLetters)} dead letters`,
    `journal ${bytes(status.journalBytes)}`,
    `memory ${bytes(status.rssBytes)}`,
  ];
  return [
    `${paint("bold", "pkx top")}  ${parts.join("  ")}`,
    ...status.warnings.map((text) => paint("yellow", `warning: ${plain(text)}`)),
  ];
}

function runLines({ paint }: Context, { run, rates, shapes }: Row, nowUs: number): string[] {
  const state = runState(run);
  const took = duration((run.endedAtUs === 0 ? nowUs : run.endedAtUs) - run.startedAtUs);
  const rate = run.endedAtUs === 0 ? `${count(Math.round(rates.at(-1) ?? 0))}/s` : "";
  const name = paint("bold", short(plain(run.name) || "(no name)", 32));
  const coloured = paint(STATE_COLOURS[state] ?? "cyan", state);
  const head = `${name}  ${coloured}  ${run.runId}  ${took}  ${count(run.points)} points  ${sparkline(rates, SPARK_WIDTH)} ${rate}`;
  const metrics = shapes.map(({ key, values }) => {
    const last = run.series.find((one) => one.key === key)?.lastValue ?? Number.NaN;
    return `${short(plain(key), 20)} ${figure(last)} ${sparkline(values, SPARK_WIDTH)}`;
  });
  return [
    head.trimEnd(),
    ...(metrics.length === 0 ? [] : [`  ${metrics.join("   ")}`]),
    ...sinkLines(paint, run, nowUs),
  ];
}

function sinkLines(paint: Context["paint"], run: Run, nowUs: number): string[] {
  const specs = run.sinks.map((sink) => short(plain(sink.spec), 44));
  const width = Math.max(0, ...specs.map((spec) => spec.length));
  return run.sinks.map((sink, index) => {
    const state = sinkState(sink);
    const coloured = paint(STATE_COLOURS[state] ?? "green", state.padEnd(8));
    const wrong = trouble(sink, nowUs).replace(/\s+/g, " ");
    const told = wrong === "" ? "" : `  ${paint("yellow", wrong)}`;
    return `  ${(specs[index] ?? "").padEnd(width)}  ${coloured}  ${lag(sink, nowUs)}${told}`;
  });
}

function lag(sink: Sink, nowUs: number): string {
  const sent = `${count(sink.pointsSent)} sent`;
  if (sink.pointsPending === 0) return sent;
  return `${sent}, ${count(sink.pointsPending)} behind (${duration(secondsBehind(sink, nowUs) * 1e6)})`;
}

/** The first columns of a line; colours take no column and are ended. */
export function cut(line: string, columns: number): string {
  let width = 0;
  let cutAt = 0;
  for (const part of line.matchAll(COLOUR_OR_CHARACTER)) {
    if (part[0].startsWith("\x1b")) continue;
    width += 1;
    if (width > columns) return `${line.slice(0, cutAt)}${line.includes("\x1b") ? "\x1b[0m" : ""}`;
    cutAt = part.index + part[0].length;
  }
  return line;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins a colour
const COLOUR_OR_CHARACTER = /\x1b\[[0-9;]*m|./gsu;
