/** Sends items to a run and finds the guilty ones when MLflow refuses a request. */

import { clip } from "@pipekit/adapters/http";
import { z } from "zod";
import type { MlflowApi } from "./api.ts";
import type { Fault } from "./faults.ts";
import { readHistory } from "./history.ts";
import { type Item, type PointSource, requestBody, shortened } from "./requests.ts";

/** What happened to one item. */
export type Verdict = (item: Item, refusal: string | undefined) => void;

/** Why the sending stopped before all items were judged. */
export type Stop =
  | { readonly kind: "retry"; readonly fault: Fault }
  | { readonly kind: "gone"; readonly reason: string };

const Empty = z.looseObject({});
const RunState = z.object({ run: z.object({ info: z.object({ lifecycle_stage: z.string() }) }) });

/** One request's worth of items and all that follows from it. */
export class BatchSender {
  readonly #api: MlflowApi;
  readonly #runId: string;
  readonly #verdict: Verdict;
  readonly #note: (sentence: string) => void;
  readonly #signal: AbortSignal;
  readonly #stored = new Map<string, readonly PointSource[]>();
  #runChecked = false;

  constructor(
    api: MlflowApi,
    runId: string,
    verdict: Verdict,
    note: (sentence: string) => void,
    signal: AbortSignal,
  ) {
    this.#api = api;
    this.#runId = runId;
    this.#verdict = verdict;
    this.#note = note;
    this.#signal = signal;
  }

  /**
   * Sends the items in one request. When MLflow refuses it, sends halves until the refused items are alone: each of
   * them gets a refusal, all others are taken.
   */
  async send(items: readonly Item[]): Promise<Stop | undefined> {
    const fault = await this.#post(items);
    if (fault === undefined) {
      for (const item of items) this.#verdict(item, undefined);
      return undefined;
    }
    if (fault.kind === "transient" || fault.kind === "unsupported") return { kind: "retry", fault };
    const stop = await this.#checkRun(fault);
    if (stop !== undefined) return stop;
    const [first, second] = halves(items);
    if (second.length === 0) return await this.#judge(items, fault);
    return (await this.send(first)) ?? (await this.send(second));
  }

  async #post(items: readonly Item[]): Promise<Fault | undefined> {
    const body = requestBody(this.#runId, items);
    const result = await this.#api.post("runs/log-batch", body, Empty, this.#signal);
    return result.ok ? undefined : result.fault;
  }

  /** A refusal may mean the run and not the items: looks once. */
  async #checkRun(fault: Fault): Promise<Stop | undefined> {
    if (this.#runChecked || fault.kind === "tooLarge") return undefined;
    const looked = await this.#api.get("runs/get", { run_id: this.#runId }, RunState, this.#signal);
    if (looked.ok) {
      this.#runChecked = true;
      const stage = looked.value.run.info.lifecycle_stage;
      return stage === "active" ? undefined : { kind: "gone", reason: deletedRun(this.#runId) };
    }
    if (looked.fault.kind === "transient") return { kind: "retry", fault: looked.fault };
    return { kind: "gone", reason: `MLflow has no run ${this.#runId} any more.` };
  }

  /** Judges items of which no part can be sent alone. */
  async #judge(items: readonly Item[], fault: Fault): Promise<Stop | undefined> {
    for (const item of items) {
      const short = shortened(item);
      if (short !== undefined) {
        const again = await this.#post([short]);
        if (again?.kind === "transient") return { kind: "retry", fault: again };
        this.#verdict(item, again?.reason);
        if (again === undefined)
          this.#note(`This MLflow took the value of \`${clip(item.key)}\` only when it was cut.`);
        continue;
      }
      const stored = await this.#isStored(item);
      if (stored === "unknown") return { kind: "retry", fault: { ...fault, kind: "transient" } };
      this.#verdict(item, stored ? undefined : fault.reason);
    }
    return undefined;
  }

  /**
   * Whether MLflow shows the point already. Servers of some versions refuse a NaN that they hold, because they look
   * for it by its value.
   */
  async #isStored(item: Item): Promise<boolean | "unknown"> {
    const { source } = item;
    if (!("ms" in source) || !Number.isNaN(source.value)) return false;
    let stored = this.#stored.get(source.mapped);
    if (stored === undefined) {
      stored = await readHistory(this.#api, this.#runId, source.mapped, this.#signal);
      if (stored === undefined) return "unknown";
      this.#stored.set(source.mapped, stored);
    }
    return stored.some(
      (point) => point.ms === source.ms && point.step === source.step && Number.isNaN(point.value),
    );
  }
}

/** What to say of a run in MLflow's bin. */
export function deletedRun(runId: string): string {
  return `The run ${runId} is deleted in MLflow; restore it with \`mlflow runs restore --run-id ${runId}\`.`;
}

/** Divides by kind first, since a refusal seldom spans kinds, then in the middle. */
function halves(items: readonly Item[]): readonly [readonly Item[], readonly Item[]] {
  const kind = items[0]?.kind;
  const others = items.filter((item) => item.kind !== kind);
  if (others.length > 0) return [items.filter((item) => item.kind === kind), others];
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)];
}
