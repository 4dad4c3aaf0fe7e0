/**
 * One run at one W&B server.
 *
 * A batch is all or nothing as far as retries go: artifacts, then config and tags, then lines, each of which may be sent
 * again. Lines have numbers, and a line sent to a number that has one replaces it. (That is an inference: W&B's own
 * client rewrites lines of output.log and of the summary in this way, and repeats requests of the history.) So what a
 * lost answer leaves is overwritten, as long as the same points come again on top of the same memo: see history.ts.
 *
 * W&B keeps one time for the points of one row, the latest one, and shows points of the machine over time alone.
 */

import { failureOf, retryOf } from "@pipekit/adapters/http";
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
import { Notes } from "../../notes.ts";
import { AXIS_KEY, configKey, isSystemKey, wandbKey } from "../keys.ts";
import type { ServerSpec } from "../spec.ts";
import { summaryLine } from "../summary.ts";
import { WandbApi } from "./api.ts";
import { ArtifactLogger, type PartLimits } from "./artifacts.ts";
import { countPoints } from "./count.ts";
import { apiKey } from "./credentials.ts";
import type { Fault, Result } from "./faults.ts";
import { Heartbeat } from "./heartbeat.ts";
import { behind, makeMemo, NOTHING, readMemo } from "./memo.ts";
import { createRun, findRun, type RemoteRun, runUrl, wandbRunId } from "./remote-run.ts";
import { putMetadata } from "./run-files.ts";
import { type Refusals, Sender } from "./sender.ts";

/**
 * Two requests a second to the stream of one run are W&B's guidance. A row takes some 100 bytes beside its values, so
 * this many points of this size stay well below the 10 MB of a request.
 */
const PROPERTIES: Properties = {
  maxPoints: 10_000,
  maxRecords: 10_000,
  maxBytes: 2_000_000,
  requestsPerSecond: 2,
  monotonicSteps: false,
  nonFinite: "kept",
  idempotentReplay: false,
  keepsEqualSteps: true,
};

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/;
/** What W&B's client reports for a process that was interrupted. */
const KILLED = 255;
/** Notes of one adapter about keys. */
const MOST_NOTES = 100;

/** What a test may set; sizes and times that suit W&B when absent. */
export interface ServerOptions {
  readonly parts?: PartLimits;
  readonly heartbeatMs?: number;
  /** Waits before each look of a count. */
  readonly patienceMs?: readonly number[];
}

export class WandbServerAdapter implements TrackerAdapter {
  readonly properties = PROPERTIES;
  readonly #spec: ServerSpec;
  readonly #options: ServerOptions;
  readonly #context: AdapterContext;
  readonly #api: WandbApi;
  readonly #artifacts: ArtifactLogger;
  readonly #heartbeat: Heartbeat;
  readonly #closed = new AbortController();
  readonly #notes = new Notes();
  #opened: Sender | undefined;
  #memo: AdapterMemo | undefined;

  constructor(spec: ServerSpec, context: AdapterContext, options: ServerOptions = {}) {
    this.#options = options;
    this.#spec = spec;
    this.#context = context;
    this.#api = new WandbApi(spec.url, apiKey(spec, context));
    this.#artifacts = new ArtifactLogger(this.#api, this.#notes.add, options.parts);
    this.#heartbeat = new Heartbeat((signal) => this.#beat(signal), options.heartbeatMs);
    const { protocol, host } = new URL(spec.url);
    if (protocol === "http:" && !LOOPBACK.test(host)) {
      this.#notes.add(`The W&B key travels to ${host} unencrypted; use wandb+https:// if it can.`);
    }
  }

  async open(run: SinkRun, memo: AdapterMemo | undefined, signal: AbortSignal): Promise<OpenResult> {
    const until = this.#until(signal);
    const known = readMemo(memo);
    const where = known?.place ?? { ...this.#spec, name: wandbRunId(run.runId) };
    const found = await findRun(this.#api, where, until);
    if (!found.ok) return failureOf(found.fault);
    const remote = known === undefined ? await this.#create(run, found.value, until) : found;
    if (!remote.ok) return failureOf(remote.fault);
    if (remote.value === undefined) {
      return { status: "permanent", reason: `W&B has no run ${where.name} any more; it was deleted there.` };
    }
    const { place, summary } = remote.value;
    const fresh =
      memo === undefined
        ? NOTHING
        : behind({ ...remote.value, displaced: (found.value?.facts.displaced ?? 0) > 0 });
    const written = known?.written(summary) ?? fresh;
    const note = this.#notes.add;
    const sender = new Sender(run, remote.value, written, this.#api, this.#artifacts, note);
    const fault = run.resumed ? await reopen(sender, until) : undefined;
    if (fault !== undefined) return failureOf(fault);
    this.#opened = sender;
    this.#memo = undefined;
    this.#heartbeat.rest();
    const remoteUrl = runUrl(this.#spec.url, place);
    return { status: "ok", remoteId: place.name, remoteUrl, memo: makeMemo(place, written) };
  }

  async send(batch: readonly SinkRecord[], signal: AbortSignal): Promise<SendResult> {
    this.#heartbeat.rest();
    const sender = this.#need();
    const before = sender.written;
    const refusals: Refusals = new Map();
    const fault = await sender.send(batch, refusals, this.#until(signal));
    if (fault !== undefined) return retryOf(fault);
    if (sender.written !== before) this.#memo = makeMemo(sender.place, sender.written);
    this.#noteNames(batch);
    if (sender.written.history.displaced && !before.history.displaced) {
      this.#notes.add(
        "Steps of this run do not always rise, as W&B wants them to: its rows stand under a `_step` of their own, and " +
          `charts have the logged step (\`${AXIS_KEY}\`) as their axis.`,
      );
    }
    if (refusals.size === 0) return { status: "ok" };
    const rejected = [...refusals.keys()].toSorted((a, b) => a - b);
    return { status: "permanent", reason: [...new Set(refusals.values())].slice(0, 3).join(" "), rejected };
  }

  async finish(end: SinkEnd, signal: AbortSignal): Promise<SendResult> {
    this.#heartbeat.stop();
    const sender = this.#need();
    const until = this.#until(signal);
    if (end.reason !== "") {
      const fault = await sender.change(sender.facts.ended(end.reason), until);
      if (fault !== undefined) return failureOf(fault);
    }
    const { summary } = sender.written;
    const ended = { ...summary, timeUs: Math.max(summary.timeUs, end.endedAtUs) };
    const content = [summaryLine(ended, sender.run.startedAtUs)];
    const files = { "wandb-summary.json": { offset: 0, content } };
    const fault = await sender.stream({ files, complete: true, exitcode: exitCode(end) }, until);
    return fault === undefined ? { status: "ok" } : failureOf(fault);
  }

  async count(keys: readonly string[], signal: AbortSignal): Promise<SinkCount | undefined> {
    const { place, written } = this.#need();
    return await countPoints(this.#api, place, written, keys, this.#until(signal), this.#options.patienceMs);
  }

  takeMemo(): AdapterMemo | undefined {
    const memo = this.#memo;
    this.#memo = undefined;
    return memo;
  }

  takeNotes(): readonly string[] {
    return this.#notes.take();
  }

  /** Ends calls under way. Connections are shared by all runs and close by themselves when idle. */
  async close(): Promise<void> {
    this.#heartbeat.stop();
    this.#closed.abort();
  }

  async #create(run: SinkRun, found: RemoteRun | undefined, signal: AbortSignal): Promise<Result<RemoteRun>> {
    const made = await createRun(this.#api, this.#spec, run, found, signal);
    if (!made.ok) return made;
    const { place } = made.value;
    const fault = await putMetadata(this.#api, place, run, signal);
    if (fault?.kind === "transient") return { ok: false, fault };
    if (fault !== undefined) this.#context.log("info", "W&B took no metadata", { reason: fault.reason });
    this.#context.log("debug", "W&B run opened", { run: run.runId, wandbRun: place.name });
    return made;
  }

  /** Says which keys W&B shows under another name; of very many, that there are more. */
  #noteNames(batch: readonly SinkRecord[]): void {
    const told = (key: string, shown: string) => {
      if (shown === key) return;
      this.#notes.add(
        this.#notes.told < MOST_NOTES
          ? `W&B has a use of its own for the key \`${key}\`; it is shown as \`${shown}\`.`
          : "More keys are shown under another name, which begins with `pipekit.key/`.",
      );
    };
    for (const record of batch) {
      if (record.kind === "point" && !isSystemKey(record.key)) told(record.key, wandbKey(record.key));
      if (record.kind === "params") for (const key of Object.keys(record.params)) told(key, configKey(key));
    }
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const fault = await this.#need().stream({}, this.#until(signal));
    if (fault !== undefined) this.#context.log("debug", "W&B took no heartbeat", { reason: fault.reason });
  }

  #until(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#closed.signal]);
  }

  #need(): Sender {
    if (this.#opened === undefined) throw new Error("The adapter must be opened first.");
    return this.#opened;
  }
}

/** W&B shows a run as running whenever something comes to its stream, also after an end. */
async function reopen(sender: Sender, signal: AbortSignal): Promise<Fault | undefined> {
  const facts = sender.facts.resumed();
  const fault = facts === sender.facts ? undefined : await sender.change(facts, signal);
  return fault ?? (await sender.stream({}, signal));
}

function exitCode(end: SinkEnd): number {
  if (end.state === "completed") return 0;
  return end.reason === "killed" ? KILLED : 1;
}
