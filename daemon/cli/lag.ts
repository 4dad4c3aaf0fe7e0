/** How far the sinks of runs are, as tables show it. */
import type { Run, Sink } from "@pipekit/experiment";
import { count, duration } from "../format.ts";
import type { Context } from "./context.ts";
import { runState, sinkState } from "./shapes.ts";
import { type Column, plain, table } from "./terminal.ts";

const COLUMNS: readonly Column[] = [
  { title: "RUN" },
  { title: "NAME" },
  { title: "STATE" },
  { title: "POINTS", right: true },
  { title: "SINK" },
  { title: "STATE" },
  { title: "SENT", right: true },
  { title: "LAG", right: true },
  { title: "BEHIND", right: true },
];
const MAX_NAME = 24;
const MAX_SPEC = 48;

/** Seconds since the oldest record that the sink has not taken was journaled; 0 when it has all. */
export function secondsBehind(sink: Sink, nowUs: number): number {
  return sink.pendingSinceUs === 0 ? 0 : Math.max(0, (nowUs - sink.pendingSinceUs) / 1e6);
}

/** What is amiss with a sink, in one line; empty when nothing is. */
export function trouble(sink: Sink, nowUs: number): string {
  const dead = sink.pointsDead === 0 ? "" : `${count(sink.pointsDead)} points refused for good`;
  const left = sink.retryAtUs - nowUs;
  const next = sink.retryAtUs === 0 ? "" : left > 0 ? `next try in ${duration(left)}` : "trying again";
  return [plain(sink.lastError), next, dead].filter((part) => part !== "").join("; ");
}

/** One line for each run and sink, and below it what is amiss. */
export function lagTable({ paint }: Context, runs: readonly Run[], nowUs: number): string[] {
  const rows: string[][] = [];
  const troubles: string[] = [];
  for (const run of runs) {
    const sinks = run.sinks.length === 0 ? [undefined] : run.sinks;
    for (const [index, sink] of sinks.entries()) {
      const head =
        index === 0
          ? [run.runId, short(run.name, MAX_NAME), runState(run), count(run.points)]
          : ["", "", "", ""];
      rows.push([...head, ...sinkCells(sink, nowUs)]);
      troubles.push(sink === undefined ? "" : trouble(sink, nowUs));
    }
  }
  const [title = "", ...lines] = table(COLUMNS, rows);
  return [
    paint("bold", title),
    ...lines.flatMap((line, index) => {
      const text = troubles[index] ?? "";
      return text === "" ? [line] : [line, paint("yellow", `    ${text.replace(/\s+/g, " ")}`)];
    }),
  ];
}

function sinkCells(sink: Sink | undefined, nowUs: number): string[] {
  if (sink === undefined) return ["(journal only)", "", "", "", ""];
  const behind = secondsBehind(sink, nowUs);
  return [
    short(sink.spec, MAX_SPEC),
    sinkState(sink),
    count(sink.pointsSent),
    count(sink.pointsPending),
    behind === 0 ? "-" : duration(behind * 1e6),
  ];
}

/** The first characters of a text. */
export function short(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
