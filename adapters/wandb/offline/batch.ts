/** What a batch of records becomes in a `.wandb` file, and what a person should know of it. */
import type { SinkRecord, SinkRun } from "@pipekit/adapters/tracker";
import type { Note } from "../../notes.ts";
import type { Point } from "../history.ts";
import { AXIS_KEY, configKey, isSystemKey, wandbKey } from "../keys.ts";
import type { Facts } from "../server/facts.ts";
import type { Lines } from "./lines.ts";
import { type Draft, historyRecord, statsRecord, summaryRecord } from "./records.ts";

const DISPLACED =
  "Steps of this run do not always rise, as W&B wants them to: its rows stand under a `_step` of their own, and charts " +
  `have the logged step (\`${AXIS_KEY}\`) as their axis.`;

/** Notes keys that are shown under another name, and steps that are no `_step`. */
export function noteNames(batch: readonly SinkRecord[], { history }: Lines, note: Note): void {
  if (history.displaced) note(DISPLACED);
  const tell = (key: string, shown: string) => {
    if (shown !== key) note(`W&B has a use of its own for the key \`${key}\`; it is shown as \`${shown}\`.`);
  };
  for (const record of batch) {
    if (record.kind === "point" && !isSystemKey(record.key)) tell(record.key, wandbKey(record.key));
    if (record.kind === "params") for (const key of Object.keys(record.params)) tell(key, configKey(key));
  }
}

/** Whether a record is a point. */
export function isPoint(record: SinkRecord): record is Point {
  return record.kind === "point";
}

/** What a batch changes of the facts; undefined when nothing in it is about them. */
export function changeBy(batch: readonly SinkRecord[]): ((facts: Facts) => Facts) | undefined {
  const told = batch.filter(({ kind }) => kind === "params" || kind === "tags");
  if (told.length === 0) return undefined;
  return (facts) =>
    told.reduce((after, record) => {
      if (record.kind === "params") return after.with(record.params, {});
      return record.kind === "tags" ? after.with({}, record.tags) : after;
    }, facts);
}

/** Records of the lines that are whole now. */
export function recordsOf({ rows, eventRows }: Lines, { startedAtUs }: SinkRun): Draft[] {
  const drafts = rows.map((row) => historyRecord(row, startedAtUs));
  if (rows.length > 0) drafts.push(summaryRecord(rows, startedAtUs));
  return [...drafts, ...eventRows.map(statsRecord)];
}
