/** One run at one ClearML server. */

import { failureOf } from "@pipekit/adapters/http";
import type {
  AdapterContext,
  AdapterMemo,
  OpenResult,
  Properties,
  SendResult,
  SinkCount,
  SinkEnd,
  SinkRecord,
  SinkRun,
  TrackerAdapter,
} from "@pipekit/adapters/tracker";
import { z } from "zod";
import { Progress } from "../progress.ts";
import { ClearmlApi } from "./api.ts";
import { type Artifact, addArtifact } from "./artifacts.ts";
import { countPoints } from "./count.ts";
import { EventWriter } from "./events.ts";
import type { Fault } from "./faults.ts";
import { type Item, type Post, type Stop, sendItems } from "./halving.ts";
import { Names } from "./names.ts";
import {
  findOrCreateTask,
  hasEnded,
  isPublished,
  type RemoteTask,
  readMemo,
  whyGone,
} from "./remote-task.ts";
import {
  endAction,
  endProperties,
  type Hyperparameter,
  param,
  property,
  resumedProperties,
} from "./run-text.ts";
import type { ServerSpec } from "./spec.ts";

/** ClearML's id of a point is its task, iteration, title and series, so that a point sent again replaces itself. */
const PROPERTIES: Properties = {
  maxPoints: 2000,
  maxRecords: 2000,
  maxBytes: 2 * 1024 * 1024,
  requestsPerSecond: Number.POSITIVE_INFINITY,
  monotonicSteps: false,
  nonFinite: "replaced",
  idempotentReplay: true,
  keepsEqualSteps: false,
};

/** ClearML's own client divides requests at 15 MiB. */
const MOST_BYTES = 8 * 1024 * 1024;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

const Added = z.object({
  errors: z.number().default(0),
  errors_info: z.record(z.string(), z.unknown()).default({}),
});
const Anything = z.looseObject({});

interface Opened {
  readonly task: RemoteTask;
  readonly writer: EventWriter;
}

/** Items of one kind that await their request. */
interface Waiting {
  readonly kind: "events" | "hyperparameters";
  readonly items: Item[];
  bytes: number;
}

export class ClearmlAdapter implements TrackerAdapter {
  readonly properties = PROPERTIES;
  readonly #spec: ServerSpec;
  readonly #context: AdapterContext;
  readonly #api: ClearmlApi;
  readonly #closed = new AbortController();
  #names = new Names();
  #opened: Opened | undefined;

  constructor(spec: ServerSpec, context: AdapterContext) {
    this.#spec = spec;
    this.#context = context;
    this.#api = new ClearmlApi(spec, context);
  }

  async open(run: SinkRun, memo: AdapterMemo | undefined, signal: AbortSignal): Promise<OpenResult> {
    const until = this.#until(signal);
    const servers = await this.#api.servers();
    if (!servers.ok) return failureOf(servers.fault);
    const known = readMemo(memo);
    this.#names = new Names(known?.claims);
    this.#noteOpenWire(servers.value.api);
    let task = known;
    if (task === undefined) {
      const found = await findOrCreateTask(this.#api, this.#spec.project, run, this.#names, until);
      if (!found.ok) return failureOf(found.fault);
      task = found.value;
      this.#context.log("debug", "ClearML task opened", { run: run.runId, task: task.taskId });
    }
    const fault = run.resumed ? await this.#reopen(task, until) : undefined;
    if (fault !== undefined) return failureOf(fault);
    this.#opened = { task, writer: new EventWriter(this.#names, task.taskId) };
    const { web = servers.value.api } = servers.value;
    const remoteUrl = `${web}/projects/${task.projectId}/experiments/${task.taskId}/output/log`;
    return { status: "ok", remoteId: task.taskId, remoteUrl, memo: { ...task } };
  }

  async send(batch: readonly SinkRecord[], signal: AbortSignal): Promise<SendResult> {
    const { task, writer } = this.#ready();
    const until = this.#until(signal);
    const progress = new Progress(batch.length);
    let waiting: Waiting = { kind: "events", items: [], bytes: 0 };
    const flush = async (): Promise<Stop | undefined> => {
      const { kind, items } = waiting;
      waiting = { kind, items: [], bytes: 0 };
      if (items.length === 0) return undefined;
      const post = kind === "events" ? this.#events(until) : this.#hyperparameters(until);
      return await sendItems(progress, items, post, () => whyGone(this.#api, task.taskId, until));
    };
    const add = async (kind: Waiting["kind"], item: Item): Promise<Stop | undefined> => {
      progress.expect(item.record);
      const bytes = Buffer.byteLength(item.json) + 1;
      if (waiting.kind !== kind || waiting.bytes + bytes > MOST_BYTES) {
        const stop = await flush();
        if (stop !== undefined) return stop;
        waiting = { kind, items: [], bytes: 0 };
      }
      waiting.items.push(item);
      waiting.bytes += bytes;
      return undefined;
    };
    for (const [record, fact] of batch.entries()) {
      let stop: Stop | undefined;
      if (fact.kind === "point")
        stop = await add("events", { record, key: fact.key, json: writer.json(fact) });
      else if (fact.kind === "artifact") {
        progress.expect(record);
        stop = (await flush()) ?? (await this.#artifact(fact, record, progress, until));
      } else {
        for (const parameter of this.#parametersOf(fact)) {
          stop ??= await add("hyperparameters", {
            record,
            key: parameter.name,
            json: JSON.stringify(parameter),
          });
        }
      }
      if (stop !== undefined) return progress.stopped(stop);
    }
    const stop = await flush();
    return stop === undefined ? progress.result() : progress.stopped(stop);
  }

  async finish(end: SinkEnd, signal: AbortSignal): Promise<SendResult> {
    const { taskId } = this.#ready().task;
    const until = this.#until(signal);
    const noted = await this.#editHyperparameters(taskId, endProperties(end), until);
    if (noted?.kind === "transient") return failureOf(noted);
    const published = await isPublished(this.#api, taskId, until);
    if (!published.ok) return failureOf(published.fault);
    if (published.value) return { status: "ok" };
    const reason = end.reason.toWellFormed();
    const body = { task: taskId, status_reason: reason, status_message: reason, force: true };
    const told = await this.#api.post(`tasks.${endAction(end)}`, body, Anything, until);
    return told.ok ? { status: "ok" } : failureOf(told.fault);
  }

  async count(keys: readonly string[], signal: AbortSignal): Promise<SinkCount | undefined> {
    const { task } = this.#ready();
    const names = keys.map((key) => this.#names.metric(key));
    const counts = await countPoints(this.#api, task.taskId, names, this.#until(signal));
    if (counts === undefined) return undefined;
    return {
      points: counts.reduce((sum, count) => sum + count, 0),
      byKey: Object.fromEntries(keys.map((key, index) => [key, counts[index] ?? 0])),
    };
  }

  /** Changes only when a metric's name had to be claimed. */
  takeMemo(): AdapterMemo | undefined {
    const claims = this.#names.takeClaims();
    if (claims === undefined || this.#opened === undefined) return undefined;
    return { ...this.#opened.task, claims };
  }

  takeNotes(): readonly string[] {
    return this.#names.takeNotes();
  }

  /** Ends calls under way. Connections are shared by all runs and close by themselves when idle. */
  async close(): Promise<void> {
    this.#closed.abort();
  }

  #parametersOf(fact: Extract<SinkRecord, { kind: "params" | "tags" }>): Hyperparameter[] {
    return fact.kind === "params"
      ? Object.entries(fact.params).map(([key, value]) => param(this.#names, key, value))
      : Object.entries(fact.tags).map(([key, value]) => property(this.#names, key, value));
  }

  #events(signal: AbortSignal): Post {
    return async (items) => {
      const lines = items.map(({ json }) => json);
      const sent = await this.#api.postLines("events.add_batch", lines, Added, signal);
      if (!sent.ok) return sent.fault;
      const { errors, errors_info } = sent.value;
      if (errors === 0) return undefined;
      return { kind: "refused", reason: `ClearML refuses: ${Object.keys(errors_info).join("; ")}.` };
    };
  }

  #hyperparameters(signal: AbortSignal): Post {
    return async (items) => {
      // Of two values for one name in a request ClearML takes the last.
      const parameters = items.map(({ json }): Hyperparameter => JSON.parse(json));
      return await this.#editHyperparameters(this.#ready().task.taskId, parameters, signal);
    };
  }

  /** Starts a task that has ended once more; its points and artifacts stay. */
  async #reopen({ taskId }: RemoteTask, signal: AbortSignal): Promise<Fault | undefined> {
    const ended = await hasEnded(this.#api, taskId, signal);
    if (!ended.ok) return ended.fault;
    if (!ended.value) return undefined;
    const body = { task: taskId, status_reason: "", status_message: "", force: true };
    const started = await this.#api.post("tasks.started", body, Anything, signal);
    return started.ok ? await this.#editHyperparameters(taskId, resumedProperties(), signal) : started.fault;
  }

  async #editHyperparameters(
    task: string,
    hyperparams: readonly Hyperparameter[],
    signal: AbortSignal,
  ): Promise<Fault | undefined> {
    const body = { task, hyperparams, replace_hyperparams: "none", force: true };
    const told = await this.#api.post("tasks.edit_hyper_params", body, Anything, signal);
    return told.ok ? undefined : told.fault;
  }

  async #artifact(
    artifact: Artifact,
    record: number,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<Stop | undefined> {
    const { task } = this.#ready();
    const fault = await addArtifact(this.#api, task, this.#spec.project, artifact, Date.now(), signal);
    if (fault?.kind === "transient") return failureOf(fault);
    progress.settle(record, fault?.reason);
    return undefined;
  }

  #noteOpenWire(api: string): void {
    const { protocol, host, hostname } = new URL(api);
    if (protocol === "https:" || LOOPBACK.test(hostname)) return;
    this.#names.note(`Credentials travel to ${host} unencrypted; use clearml+https:// if it can.`);
  }

  #until(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#closed.signal]);
  }

  #ready(): Opened {
    if (this.#opened === undefined) throw new Error("The adapter must be opened first.");
    return this.#opened;
  }
}
