/** Sends the records of batches to one run: artifacts, then config and tags, then lines. */

import type { SinkRecord, SinkRun } from "@pipekit/adapters/tracker";
import type { StreamRequest, WandbApi } from "./api.ts";
import type { ArtifactLogger } from "./artifacts.ts";
import type { Facts } from "./facts.ts";
import type { Fault } from "./faults.ts";
import type { Place, Written } from "./memo.ts";
import { UPSERT_RUN } from "./operations.ts";
import { type Indexed, pointsOf, type Step, stepOf } from "./points.ts";
import { streamPath } from "./remote-run.ts";

/** Records that W&B does not take, by their index in the batch, and why. */
export type Refusals = Map<number, string>;

export class Sender {
  readonly run: SinkRun;
  readonly place: Place;
  /** What is known to be written; unchanged when a batch has to be sent again. */
  written: Written;
  facts: Facts;
  /** Metrics that the config names as having an axis of their own. */
  #displaced: number;
  readonly #api: WandbApi;
  readonly #artifacts: ArtifactLogger;
  readonly #note: (sentence: string) => void;

  constructor(
    run: SinkRun,
    remote: { readonly place: Place; readonly facts: Facts },
    written: Written,
    api: WandbApi,
    artifacts: ArtifactLogger,
    note: (sentence: string) => void,
  ) {
    this.run = run;
    this.place = remote.place;
    this.facts = remote.facts;
    this.written = written;
    this.#displaced = remote.facts.displaced;
    this.#api = api;
    this.#artifacts = artifacts;
    this.#note = note;
  }

  /** Sends a batch. A fault means that all of it must come again; what W&B refuses is in `refusals`. */
  async send(
    batch: readonly SinkRecord[],
    refusals: Refusals,
    signal: AbortSignal,
  ): Promise<Fault | undefined> {
    const before = this.written;
    const points = pointsOf(batch);
    const step = points.length === 0 ? undefined : stepOf(before, points, this.run.startedAtUs);
    const displaced = displacedKeys(step?.written ?? before);
    const fault =
      (await this.#sendArtifacts(batch, refusals, signal)) ??
      (await this.#sendFacts(batch, displaced, refusals, signal)) ??
      (await this.#sendPoints(points, step, refusals, signal));
    if (fault !== undefined) this.written = before;
    return fault;
  }

  /** Gives W&B other facts of the run. */
  async change(facts: Facts, signal: AbortSignal): Promise<Fault | undefined> {
    return await this.#upsert(facts, displacedKeys(this.written), signal);
  }

  /** A request to the stream of the run. */
  async stream(request: StreamRequest, signal: AbortSignal): Promise<Fault | undefined> {
    const sent = await this.#api.stream(streamPath(this.place), request, signal);
    if (!sent.ok) return sent.fault;
    if (sent.value) {
      this.#note("Somebody asked W&B to stop this run. W&B only shows the run here: training goes on.");
    }
    return undefined;
  }

  async #sendArtifacts(
    batch: readonly SinkRecord[],
    refusals: Refusals,
    signal: AbortSignal,
  ): Promise<Fault | undefined> {
    for (const [index, record] of batch.entries()) {
      if (record.kind !== "artifact") continue;
      const fault = await this.#artifacts.log(this.place, record, signal);
      if (fault?.kind === "transient") return fault;
      if (fault !== undefined) refusals.set(index, fault.reason);
    }
    return undefined;
  }

  /** Params and tags, in one request; when that is refused, record by record. */
  async #sendFacts(
    batch: readonly SinkRecord[],
    displaced: readonly string[],
    refusals: Refusals,
    signal: AbortSignal,
  ): Promise<Fault | undefined> {
    const records = [...batch.entries()].filter(([, { kind }]) => kind === "params" || kind === "tags");
    if (records.length === 0 && displaced.length <= this.#displaced) return undefined;
    const all = records.reduce((facts, [, record]) => withRecord(facts, record), this.facts);
    const fault = await this.#upsert(all, displaced, signal);
    if (fault === undefined || fault.kind === "transient") return fault;
    for (const [index, record] of records) {
      const one = await this.#upsert(withRecord(this.facts, record), displaced, signal);
      if (one?.kind === "transient") return one;
      if (one !== undefined) refusals.set(index, one.reason);
    }
    return undefined;
  }

  async #upsert(facts: Facts, displaced: readonly string[], signal: AbortSignal): Promise<Fault | undefined> {
    const { entity, project, name } = this.place;
    const variables = { entity, project, name, ...facts.variables(displaced) };
    const made = await this.#api.graphql(UPSERT_RUN, variables, signal);
    if (!made.ok) return made.fault;
    this.facts = facts;
    this.#displaced = displaced.length;
    return undefined;
  }

  /**
   * Writes points behind those that are written: `step` is what they make of the run. Halves them while something on
   * the way takes no body of this size.
   */
  async #sendPoints(
    points: readonly Indexed[],
    step: Step | undefined,
    refusals: Refusals,
    signal: AbortSignal,
  ): Promise<Fault | undefined> {
    if (step === undefined) return undefined;
    const fault = await this.stream({ files: step.files }, signal);
    if (fault === undefined) {
      this.written = step.written;
      if (step.summaryFull) {
        this.#note("The run has too many metrics for W&B's summary; some are in its history only.");
      }
      return undefined;
    }
    if (fault.kind === "transient" || fault.kind === "unsupported") return { ...fault, kind: "transient" };
    if (fault.kind === "tooLarge" && points.length > 1) {
      const middle = Math.ceil(points.length / 2);
      for (const half of [points.slice(0, middle), points.slice(middle)]) {
        const next = stepOf(this.written, half, this.run.startedAtUs);
        const failed = await this.#sendPoints(half, next, refusals, signal);
        if (failed !== undefined) return failed;
      }
      return undefined;
    }
    for (const { index } of points) refusals.set(index, fault.reason);
    return undefined;
  }
}

/** W&B's keys of the metrics whose step is not `_step`. */
function displacedKeys({ history, summary }: Written): readonly string[] {
  return history.displaced ? [...summary.values.keys()] : [];
}

function withRecord(facts: Facts, record: SinkRecord): Facts {
  if (record.kind === "params") return facts.with(record.params, {});
  return record.kind === "tags" ? facts.with({}, record.tags) : facts;
}
