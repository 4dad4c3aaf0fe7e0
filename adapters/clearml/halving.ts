/** The search for the parts of a batch that a server refuses. */

import { clip, retryOf } from "@pipekit/adapters/http";
import type { PermanentResult, RetryResult } from "@pipekit/adapters/tracker";
import type { Progress } from "../progress.ts";
import type { Fault } from "./faults.ts";

/** A part of a record, as it stands in a request. */
export interface Item {
  /** Index of its record in the batch. */
  readonly record: number;
  /** As a person knows it. */
  readonly key: string;
  readonly json: string;
}

/** Why the sending stopped before all was judged. */
export type Stop = RetryResult | PermanentResult;

/** Sends items in one request; a fault means that none, or not all, of them are known to be taken. */
export type Post = (items: readonly Item[]) => Promise<Fault | undefined>;

/**
 * Sends items and, when a request with them is refused, its halves, until the guilty ones are alone. Sending a part
 * again must be harmless. `gone` says why no item will ever be taken, undefined when that is not so.
 */
export async function sendItems(
  progress: Progress,
  items: readonly Item[],
  post: Post,
  gone: () => Promise<Stop | undefined>,
): Promise<Stop | undefined> {
  const fault = await post(items);
  if (fault === undefined) {
    for (const { record } of items) progress.settle(record, undefined);
    return undefined;
  }
  if (fault.kind === "transient") return retryOf(fault);
  const stop = fault.kind === "tooLarge" ? undefined : await gone();
  if (stop !== undefined) return stop;
  const middle = Math.ceil(items.length / 2);
  if (middle === items.length) {
    for (const { record, key } of items) progress.settle(record, `\`${clip(key)}\`: ${fault.reason}`);
    return undefined;
  }
  return (
    (await sendItems(progress, items.slice(0, middle), post, gone)) ??
    (await sendItems(progress, items.slice(middle), post, gone))
  );
}
