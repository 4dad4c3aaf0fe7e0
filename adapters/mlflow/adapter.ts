/** One run at one MLflow server. */

import { clip, failureOf, retryOf } from "@pipekit/adapters/http";
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
import { MlflowApi } from "./api.ts";
import { ArtifactUploader, type MultipartLimits } from "./artifacts.ts";
import { Credentials } from "./credentials.ts";
import type { Fault } from "./faults.ts";
import { countHistories } from "./history.ts";
import { BatchSender, type Stop } from "./log-batch.ts";
import { Names } from "./names.ts";
import { findOrCreateRun, type RemoteRun, readMemo } from "./remote-run.ts";
import { itemsOf, Request, VALUE_LIMITS } from "./requests.ts";
import { type MlflowSpec, trackingUrl } from "./spec.ts";
import { Stamps } from "./stamps.ts";
import { cut, storable } from "./text.ts";

/** NaN is kept as such; a SQL store shows an infinity as the largest double. */
const PROPERTIES: Properties = {
  maxPoints: 1000,
  maxRecords: 1000,
  maxBytes: 900_000,
  requestsPerSecond: Number.POSITIVE_INFINITY,
  monotonicSteps: false,
  nonFinite: "kept",
  idempotentReplay: true,
  keepsEqualSteps: true,
};

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/;
const REASON_TAG = "pipekit.reason";
const Empty = z.looseObject({});

export class MlflowAdapter implements TrackerAdapter {
  readonly properties = PROPERTIES;
  readonly #spec: MlflowSpec;
  readonly #context: AdapterContext;
  readonly #api: MlflowApi;
  readonly #names = new Names();
  readonly #stamps = new Stamps();
  readonly #artifacts: ArtifactUploader;
  readonly #closed = new AbortController();
  #remote: RemoteRun | undefined;

  constructor(spec: MlflowSpec, context: AdapterContext, multipart: MultipartLimits) {
    this.#spec = spec;
    this.#context = context;
    this.#api = new MlflowApi(trackingUrl(spec), new Credentials(spec, context));
    this.#artifacts = new ArtifactUploader(this.#api, this.#names, multipart);
    const referenced = spec.token !== undefined || spec.password !== undefined;
    if (referenced && !spec.secure && !LOOPBACK.test(spec.authority)) {
      this.#names.note(`Credentials travel to ${spec.authority} unencrypted; use mlflow+https:// if it can.`);
    }
  }

  async open(run: SinkRun, memo: AdapterMemo | undefined, signal: AbortSignal): Promise<OpenResult> {
    let remote = readMemo(memo);
    if (remote === undefined) {
      const { env } = this.#context;
      const user = env["USER"] || env["LOGNAME"];
      const until = this.#until(signal);
      const found = await findOrCreateRun(this.#api, this.#spec.experiment, run, this.#names, user, until);
      if (!found.ok) return failureOf(found.fault);
      remote = found.value;
      this.#context.log("debug", "MLflow run opened", { run: run.runId, mlflowRun: remote.mlflowRunId });
    }
    const fault = run.resumed ? await this.#reopen(remote, this.#until(signal)) : undefined;
    if (fault !== undefined) return failureOf(fault);
    this.#remote = remote;
    const { experimentId, mlflowRunId } = remote;
    const remoteUrl = `${this.#api.url}/#/experiments/${experimentId}/runs/${mlflowRunId}`;
    return { status: "ok", remoteId: mlflowRunId, remoteUrl, memo: { ...remote } };
  }

  async send(batch: readonly SinkRecord[], signal: AbortSignal): Promise<SendResult> {
    const remote = this.#opened();
    const until = this.#until(signal);
    const progress = new Progress(batch.length);
    const sender = new BatchSender(
      this.#api,
      remote.mlflowRunId,
      (item, refusal) => {
        progress.settle(item.record, refusal === undefined ? undefined : `\`${clip(item.key)}\`: ${refusal}`);
        if (refusal === undefined && item.kind === "tags") this.#names.keptTag(item.source.mapped);
      },
      (sentence) => this.#names.note(sentence),
      until,
    );
    this.#stamps.beginBatch();
    let request = new Request();
    const flush = async (): Promise<Stop | undefined> => {
      if (request.items.length === 0) return undefined;
      const { items } = request;
      request = new Request();
      return await sender.send(items);
    };
    for (const [index, record] of batch.entries()) {
      for (const item of itemsOf(record, index, this.#names, this.#stamps)) {
        progress.expect(index);
        if (request.add(item)) continue;
        const stop = await flush();
        if (stop !== undefined) return stopped(progress, stop);
        request.add(item);
      }
      if (record.kind !== "artifact" || record.files.length === 0) continue;
      progress.expect(index);
      const fault = await this.#artifacts.upload(remote.artifactUri, record, until);
      if (fault?.kind === "transient") {
        return stopped(progress, (await flush()) ?? { kind: "retry", fault });
      }
      progress.settle(index, fault?.reason);
    }
    const stop = await flush();
    const moved = this.#stamps.takeMoved();
    if (moved !== undefined) {
      this.#names.note(
        `Points of \`${clip(moved)}\` have equal step, value and millisecond, which MLflow would merge; ` +
          "such points are shown a millisecond later.",
      );
    }
    return stop === undefined ? progress.result() : stopped(progress, stop);
  }

  async finish(end: SinkEnd, signal: AbortSignal): Promise<SendResult> {
    const { mlflowRunId: run_id } = this.#opened();
    const until = this.#until(signal);
    if (end.reason !== "") {
      const value = cut(storable(end.reason), VALUE_LIMITS.tags.before);
      const tag = { run_id, key: REASON_TAG, value };
      const tagged = await this.#api.post("runs/set-tag", tag, Empty, until);
      if (!tagged.ok) return failureOf(tagged.fault);
    }
    const body = { run_id, status: endStatus(end), end_time: Math.floor(end.endedAtUs / 1000) };
    const updated = await this.#api.post("runs/update", body, Empty, until);
    return updated.ok ? { status: "ok" } : failureOf(updated.fault);
  }

  async count(keys: readonly string[], signal: AbortSignal): Promise<SinkCount | undefined> {
    const { mlflowRunId } = this.#opened();
    const mapped = keys.map((key) => this.#names.of(key).mapped);
    const counts = await countHistories(this.#api, mlflowRunId, mapped, this.#until(signal));
    if (counts === undefined) return undefined;
    return {
      points: counts.reduce((sum, count) => sum + count, 0),
      byKey: Object.fromEntries(keys.map((key, index) => [key, counts[index] ?? 0])),
    };
  }

  /** What `open` left is all that is needed: a replay is harmless. */
  takeMemo(): undefined {
    return undefined;
  }

  takeNotes(): readonly string[] {
    return this.#names.takeNotes();
  }

  /** Ends calls under way. Connections are shared by all runs and close by themselves when idle. */
  async close(): Promise<void> {
    this.#closed.abort();
  }

  /** Shows the run as running, as MLflow's own client does when it goes on with a run, and without its earlier reason. */
  async #reopen({ mlflowRunId: run_id }: RemoteRun, signal: AbortSignal): Promise<Fault | undefined> {
    const updated = await this.#api.post("runs/update", { run_id, status: "RUNNING" }, Empty, signal);
    if (!updated.ok) return updated.fault;
    const removed = await this.#api.post("runs/delete-tag", { run_id, key: REASON_TAG }, Empty, signal);
    return removed.ok || removed.fault.kind === "missing" ? undefined : removed.fault;
  }

  #until(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#closed.signal]);
  }

  #opened(): RemoteRun {
    if (this.#remote === undefined) throw new Error("The adapter must be opened first.");
    return this.#remote;
  }
}

function endStatus(end: SinkEnd): "FINISHED" | "FAILED" | "KILLED" {
  if (end.state === "completed") return "FINISHED";
  return end.reason === "killed" ? "KILLED" : "FAILED";
}

function stopped(progress: Progress, stop: Stop): SendResult {
  if (stop.kind === "gone") return progress.stopped({ status: "permanent", reason: stop.reason });
  return progress.stopped(retryOf(stop.fault));
}
