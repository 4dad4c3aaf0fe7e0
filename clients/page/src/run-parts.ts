/** Small pieces that show a run, in lists and on its page. */
import type { RunBrief, RunStateName } from "@pipekit/proto/editor";
import { element, userText } from "./dom.ts";
import { formatCount, formatDuration, formatValue } from "./format.ts";

const STATE_MARKS: Readonly<Record<RunStateName, string>> = {
  running: "▶",
  completed: "✓",
  failed: "✕",
  unknown: "?",
};

/** The state by a sign, a word and a colour. */
export function stateBadge(state: RunStateName): HTMLElement {
  const mark = element("span", { class: "state-mark", "aria-hidden": "true" }, STATE_MARKS[state]);
  return element("span", { class: `state state-${state}` }, mark, state);
}

/** The last value of the metric that is looked at first. */
export function headline(run: RunBrief): HTMLElement | string {
  if (run.headline === undefined) return "";
  const { key, value } = run.headline;
  return element("span", {}, userText(key), ` ${formatValue(value)}`);
}

/** How the sinks of a run are, in few words; in the colour of the worst. */
export function sinksInBrief({ sinks }: RunBrief, nowUs: number): HTMLElement {
  const dead = sinks.reduce((sum, { pointsDead }) => sum + pointsDead, 0);
  const troubled = sinks.find(({ state, lastError }) => state === "refused" || lastError !== "");
  const since = Math.min(...sinks.map(({ pendingSinceUs }) => pendingSinceUs || Number.POSITIVE_INFINITY));
  const words = [
    troubled && (troubled.state === "refused" ? "refused" : "retrying"),
    Number.isFinite(since) && `${formatDuration(nowUs - since)} behind`,
    dead > 0 && `${formatCount(dead)} dead`,
  ].filter(Boolean);
  const text = words.join(", ") || (sinks.length === 0 ? "no sinks" : "up to date");
  const shown = element("span", { class: troubled || dead > 0 ? "bad" : "plain" }, text);
  if (troubled !== undefined) shown.title = troubled.lastError;
  return shown;
}
