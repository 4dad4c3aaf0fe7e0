/** What became of the parts of a batch, and the search for the parts that a server refuses. */

import { clip } from "@pipekit/adapters/http";
import type { PermanentResult, RetryResult, SendResult } from "@pipekit/adapters/tracker";
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

const TOLD = 3;

/** What became of each record of a batch. Parts are expected in the order of the records. */
export class Outcome {
  readonly #open: Int32Array;
  readonly #refused = new Set<number>();
  readonly #reasons = new Set<string>();
  #begun = 0;

  constructor(records: number) {
    this.#open = new Int32Array(records);
  }

  /** A part of the record will be judged. */
  expect(record: number): void {
    this.#open[record] = (this.#open[record] ?? 0) + 1;
    this.#begun = Math.max(this.#begun, record + 1);
  }

  take(record: number): void {
    this.#open[record] = (this.#open[record] ?? 0) - 1;
  }

  refuse(record: number, reason: string): void {
    this.take(record);
    this.#refused.add(record);
    this.#reasons.add(reason);
  }

  /** When all is judged. */
  result(): SendResult {
    if (this.#refused.size === 0) return { status: "ok" };
    const rejected = [...this.#refused].toSorted((a, b) => a - b);
    const told = clip([...this.#reasons].slice(0, TOLD).join(" "));
    const more = this.#reasons.size - TOLD;
    return { status: "permanent", reason: more > 0 ? `${told} And ${more} more.` : told, rejected };
  }

  /**
   * When it stopped before. Counts the records before the first that is open or refused: refused ones are sent again
   * with the rest, since a result cannot carry both a refusal and a retry.
   */
  stopped(rest: Stop): SendResult {
    let accepted = 0;
    while (accepted < this.#begun && this.#open[accepted] === 0 && !this.#refused.has(accepted)) accepted++;
    return accepted === 0 ? rest : { status: "partial", accepted, rest };
  }

  /**
   * Sends items and, when a request with them is refused, its halves, until the guilty ones are alone. Sending a part
   * again must be harmless. `gone` says why no item will ever be taken, undefined when that is not so.
   */
  async send(
    items: readonly Item[],
    post: Post,
    gone: () => Promise<Stop | undefined>,
  ): Promise<Stop | undefined> {
    const fault = await post(items);
    if (fault === undefined) {
      for (const { record } of items) this.take(record);
      return undefined;
    }
    if (fault.kind === "transient") return retry(fault);
    const stop = fault.kind === "tooLarge" ? undefined : await gone();
    if (stop !== undefined) return stop;
    const middle = Math.ceil(items.length / 2);
    if (middle === items.length) {
      for (const { record, key } of items) this.refuse(record, `\`${clip(key)}\`: ${fault.reason}`);
      return undefined;
    }
    return (
      (await this.send(items.slice(0, middle), post, gone)) ??
      (await this.send(items.slice(middle), post, gone))
    );
  }
}

export function retry({ reason, afterMs }: Fault): RetryResult {
  return { status: "retry", reason, ...(afterMs === undefined ? {} : { afterMs }) };
}

/** The answer to a call that failed as a whole. */
export function failure(fault: Fault): Stop {
  return fault.kind === "transient" ? retry(fault) : { status: "permanent", reason: fault.reason };
}
