import type { AdapterMemo, SinkEnd } from "@pipekit/adapters/tracker";
import { z } from "zod";
import { RowState } from "../history.ts";

/** Where a run is written, and how much of it is settled. */
export type Memo = {
  /** Folder of the run, below `wandb`. */
  readonly folder: string;
  /** Bytes of the `.wandb` file that are settled; behind them stands what may still change. */
  readonly bytes: number;
  /** Records in them. */
  readonly records: number;
  /** Its lines; the open one is not settled. */
  readonly history: RowState;
  readonly events: RowState;
  /** How the run ended; null while it goes on. */
  readonly end: SinkEnd | null;
};

const Count = z.int().nonnegative();
const Shape = z.object({
  folder: z.string().regex(/^(?!\.{1,2}$)[^/\0]{1,255}$/),
  bytes: Count,
  records: Count,
  history: RowState,
  events: RowState,
  end: z
    .object({ state: z.enum(["completed", "failed"]), reason: z.string(), endedAtUs: z.int() })
    .nullable(),
});

/** A memo that can be read; undefined when it is not one of ours. */
export function readMemo(memo: AdapterMemo | undefined): Memo | undefined {
  return Shape.safeParse(memo).data;
}
