/** Adds up what became of the parts of a batch's records. */

import { clip } from "@pipekit/adapters/http";
import type { PermanentResult, RetryResult, SendResult } from "@pipekit/adapters/tracker";

/** Refusals told of in a reason. */
const TOLD = 3;

export class Progress {
  readonly #open: Int32Array;
  readonly #refused = new Set<number>();
  readonly #reasons = new Set<string>();
  #begun = 0;

  constructor(records: number) {
    this.#open = new Int32Array(records);
  }

  /** A part of the record will be settled. Records come in order. */
  expect(record: number): void {
    this.#open[record] = (this.#open[record] ?? 0) + 1;
    this.#begun = Math.max(this.#begun, record + 1);
  }

  /** A part of the record is taken, or refused for a reason. */
  settle(record: number, refusal: string | undefined): void {
    this.#open[record] = (this.#open[record] ?? 0) - 1;
    if (refusal === undefined) return;
    this.#refused.add(record);
    this.#reasons.add(refusal);
  }

  /** When every part of every record is settled. */
  result(): SendResult {
    if (this.#refused.size === 0) return { status: "ok" };
    const rejected = [...this.#refused].toSorted((a, b) => a - b);
    return { status: "permanent", reason: this.#reason(), rejected };
  }

  /**
   * When the sending ended early. Counts only the records before the first that is open or refused: refused ones are
   * sent again with the rest, since a result cannot carry both a refusal and a retry.
   */
  stopped(rest: RetryResult | PermanentResult): SendResult {
    let accepted = 0;
    while (accepted < this.#begun && this.#open[accepted] === 0 && !this.#refused.has(accepted)) accepted++;
    return accepted === 0 ? rest : { status: "partial", accepted, rest };
  }

  #reason(): string {
    const told = [...this.#reasons].slice(0, TOLD).join(" ");
    const more = this.#reasons.size - TOLD;
    return more > 0 ? `${clip(told)} And ${more} more.` : clip(told);
  }
}
