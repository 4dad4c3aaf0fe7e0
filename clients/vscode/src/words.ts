/** How times, sizes, numbers and names stand in trees and tooltips. */
import type { JsonNumber, RunBrief, RunStateName, SinkDocument } from "@pipekit/proto/editor";

const UNITS: readonly (readonly [seconds: number, name: string])[] = [
  [365 * 86_400, "y"],
  [30 * 86_400, "mo"],
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];

/** A span as people say it: `2 h`, `3 d`; `now` below a second. Times are Unix microseconds. */
export function age(sinceUs: number, nowUs: number): string {
  const seconds = (nowUs - sinceUs) / 1e6;
  const [length, name] = UNITS.find(([length]) => seconds >= length) ?? [1, ""];
  return name === "" ? "now" : `${Math.floor(seconds / length)} ${name}`;
}

export function ago(sinceUs: number, nowUs: number): string {
  const text = age(sinceUs, nowUs);
  return text === "now" ? "just now" : `${text} ago`;
}

/** Such as `1.5 MiB`, as hovers tell it. */
export function size(bytes: number): string {
  const names = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(names.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${names[power]}`;
}

/** Four significant digits. */
export function shortNumber(value: JsonNumber): string {
  return typeof value === "string" ? value : String(Number(value.toPrecision(4)));
}

export function shortHash(hash: string): string {
  return hash.slice(0, 8);
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString("en-US")} ${number === 1 ? one : many}`;
}

/** On one line, and no longer than a row of a tree. Text of users may be anything. */
export function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= 120 ? line : `${line.slice(0, 119)}…`;
}

/** The last value of the metric that is looked at first; empty where there is none. */
export function headline({ headline }: RunBrief): string {
  return headline === undefined ? "" : `${headline.key} ${shortNumber(headline.value)}`;
}

/** What a sink lacks: `3,200 behind, 12 s`; empty where it has everything. */
export function lag(sink: SinkDocument, nowUs: number): string {
  if (sink.pointsPending === 0) return "";
  const since = sink.pendingSinceUs === 0 ? "" : `, ${age(sink.pendingSinceUs, nowUs)}`;
  return `${count(sink.pointsPending, "point")} behind${since}`;
}

/** Codicons of the states. https://code.visualstudio.com/api/references/icons-in-labels */
export const STATE_ICONS: Readonly<Record<RunStateName, readonly [icon: string, color: string]>> = {
  running: ["pulse", "charts.blue"],
  completed: ["pass", "charts.green"],
  failed: ["error", "charts.red"],
  unknown: ["question", "charts.yellow"],
};
