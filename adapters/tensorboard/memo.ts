import type { AdapterMemo, SinkEnd } from "@pipekit/adapters/tracker";
import { z } from "zod";

/** Where a run is written, and how much of it is settled. */
export type Memo = {
  /** Folder of the run, below the spec's. */
  readonly folder: string;
  /** The event file that grows, in that folder. */
  readonly file: string;
  /** Its bytes that are settled; behind them stands what ends the run. */
  readonly bytes: number;
  /** Texts written; the step of the next one. */
  readonly texts: number;
  /** Time of the last point, for what has none of its own; unix microseconds. */
  readonly timeUs: number;
  /** Whether the labels that the run started with have come as a record. */
  readonly labelled: boolean;
  /** How the run ended; null while it goes on. */
  readonly end: SinkEnd | null;
};

const Count = z.int().nonnegative();
/** A name without a way out of the folder. */
const Name = z.string().regex(/^(?!\.{1,2}$)[^/\0]{1,255}$/);
const Shape = z.object({
  folder: Name,
  file: Name,
  bytes: Count,
  texts: Count,
  timeUs: z.int(),
  labelled: z.boolean(),
  end: z
    .object({ state: z.enum(["completed", "failed"]), reason: z.string(), endedAtUs: z.int() })
    .nullable(),
});

/** A memo that can be read; undefined when it is not one of ours. */
export function readMemo(memo: AdapterMemo | undefined): Memo | undefined {
  return Shape.safeParse(memo).data;
}
