/** What must be known of a run at W&B to go on with it. */

import type { AdapterMemo } from "@pipekit/adapters/tracker";
import { z } from "zod";
import { NO_ROWS, RowState } from "../history.ts";
import { NO_SUMMARY, type Summary } from "../summary.ts";

/** Where the run is. */
const Place = z.object({
  /** W&B's id of the row in its database. */
  storageId: z.string(),
  entity: z.string(),
  project: z.string(),
  /** W&B's run id. */
  name: z.string(),
});
export type Place = Readonly<z.infer<typeof Place>>;

/** How far the run has got. */
export interface Written {
  readonly history: RowState;
  readonly events: RowState;
  /** Points in the events, by our key; undefined when there are too many keys to remember. */
  readonly eventPoints: ReadonlyMap<string, number> | undefined;
  readonly summary: Summary;
}

export const NOTHING: Written = {
  history: NO_ROWS,
  events: NO_ROWS,
  eventPoints: new Map(),
  summary: NO_SUMMARY,
};

/** Goes on behind what the server has: for want of a memo that can be read. */
export function behind(lines: {
  readonly historyLines: number;
  readonly eventsLines: number;
  readonly summary: Summary;
  readonly displaced: boolean;
}): Written {
  const { historyLines, eventsLines, summary, displaced } = lines;
  return {
    history: { lines: historyLines, lastStep: Math.max(summary.step, historyLines - 1), displaced },
    events: { ...NO_ROWS, lines: eventsLines },
    eventPoints: undefined,
    summary,
  };
}

const Memo = z.object({
  place: Place,
  history: RowState,
  events: RowState,
  eventPoints: z.array(z.tuple([z.string(), z.number()])).optional(),
  summary: z
    .object({
      values: z.array(z.tuple([z.string(), z.string()])),
      step: z.number(),
      timeUs: z.number(),
    })
    .optional(),
});

/** A memo is saved with each cursor: parts that are larger than this, characters of JSON, are left out. */
const LONGEST = { eventPoints: 4 * 1024, summary: 16 * 1024 } as const;

export function makeMemo(place: Place, { history, events, eventPoints, summary }: Written): AdapterMemo {
  return {
    ...{ place, history, events },
    ...part("eventPoints", eventPoints === undefined ? undefined : [...eventPoints]),
    ...part("summary", { ...summary, values: [...summary.values] }),
  };
}

/** Reads a memo; undefined when it is none of ours. `storedSummary` is what the server has, for want of our own. */
export function readMemo(
  memo: AdapterMemo | undefined,
): { readonly place: Place; written(storedSummary: Summary): Written } | undefined {
  const known = Memo.safeParse(memo).data;
  if (known === undefined) return undefined;
  const { place, history, events, eventPoints, summary } = known;
  return {
    place,
    written: (storedSummary) => ({
      ...{ history, events },
      eventPoints: eventPoints === undefined ? undefined : new Map(eventPoints),
      summary: summary === undefined ? storedSummary : { ...summary, values: new Map(summary.values) },
    }),
  };
}

function part(name: keyof typeof LONGEST, value: unknown): AdapterMemo {
  return value !== undefined && JSON.stringify(value).length <= LONGEST[name] ? { [name]: value } : {};
}
