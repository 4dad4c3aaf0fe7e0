/**
 * One run as a session of ClearML's offline mode: the folder `offline-<hex>` while it runs, and `offline-<hex>.zip` once
 * it has ended, for `Task.import_offline_session`.
 *
 * The zip is there or not, and never half: it is written beside its place and renamed. Records that come after it was
 * made take it away, since it lacks them, and the next end makes it anew; the folder stays and can be imported too.
 */

import { pathToFileURL } from "node:url";
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
import type { AppendFile } from "../../append-file.ts";
import { fileSetback } from "../../file-faults.ts";
import { FileRun } from "../../file-run.ts";
import { Progress } from "../../progress.ts";
import { EventWriter } from "../events.ts";
import { Names } from "../names.ts";
import { endProperties, param, property, resumedProperties } from "../run-text.ts";
import type { OfflineSpec } from "../spec.ts";
import { countPoints } from "./count.ts";
import { asciiJson, exists, removeDurably } from "./files.ts";
import { type Memo, readMemo, resumeSession, startSession } from "./resume.ts";
import { makeZip, type Session, sessionOf, storeArtifact, zipSettled } from "./session.ts";
import type { TaskFile } from "./task-file.ts";

const PROPERTIES: Properties = {
  maxPoints: 4000,
  maxRecords: 4000,
  maxBytes: 4 * 1024 * 1024,
  requestsPerSecond: Number.POSITIVE_INFINITY,
  monotonicSteps: false,
  nonFinite: "replaced",
  idempotentReplay: false,
  keepsEqualSteps: false,
};

interface Opened {
  readonly session: Session;
  readonly task: TaskFile;
  readonly writer: EventWriter;
}

export class OfflineAdapter implements TrackerAdapter {
  readonly properties = PROPERTIES;
  readonly #spec: OfflineSpec;
  readonly #context: AdapterContext;
  readonly #file: FileRun<Memo>;
  #names = new Names();
  #opened: Opened | undefined;
  /** True when a zip may be there that lacks what is sent. */
  #mayBeZipped = true;

  constructor(spec: OfflineSpec, context: AdapterContext) {
    this.#spec = spec;
    this.#context = context;
    this.#file = new FileRun(spec.folder);
  }

  async open(run: SinkRun, memo: AdapterMemo | undefined, signal: AbortSignal): Promise<OpenResult> {
    return await this.#file.guard(signal, async () => {
      await this.close();
      const session = sessionOf(this.#spec.folder, this.#spec.project, run.runId);
      const known = readMemo(memo, session);
      this.#names = new Names(known?.claims);
      await before(zipSettled(session), signal);
      const start = { session, project: this.#spec.project, run, names: this.#names, note: this.#file.note };
      const { task, ...opened } =
        known === undefined ? await startSession(start, signal) : await resumeSession(start, known, signal);
      this.#file.opened(run, opened);
      this.#opened = { session, task, writer: new EventWriter(this.#names, session.id, asciiJson) };
      this.#mayBeZipped = true;
      if (run.resumed) await this.#reopen(signal);
      this.#context.log("debug", "ClearML session opened", { run: run.runId, folder: session.folder });
      const remoteUrl = pathToFileURL(session.zip).href;
      return { status: "ok" as const, remoteId: session.id, remoteUrl, memo: { ...this.#file.current.memo } };
    });
  }

  async send(batch: readonly SinkRecord[], signal: AbortSignal): Promise<SendResult> {
    return await this.#file.guard(signal, async () => {
      if (batch.length === 0) return { status: "ok" as const };
      const file = await this.#ready(signal);
      const { session, task, writer } = this.#open();
      await this.#unzip(session, signal);
      const progress = new Progress(batch.length);
      const events: string[] = [];
      for (const [index, record] of batch.entries()) {
        progress.expect(index);
        let refusal: string | undefined;
        if (record.kind === "point") events.push(writer.json(record));
        else if (record.kind === "artifact") {
          refusal = await storeArtifact(session, task, this.#spec.project, record, signal);
        } else if (record.kind === "params") {
          for (const [key, value] of Object.entries(record.params)) task.set(param(this.#names, key, value));
        } else {
          for (const [key, value] of Object.entries(record.tags)) task.set(property(this.#names, key, value));
        }
        progress.settle(index, refusal);
      }
      await task.save();
      signal.throwIfAborted();
      if (events.length > 0) await file.write(Buffer.from(`[${events.join(",")}]\n`));
      const claims = this.#names.takeClaims();
      if (events.length > 0 || claims !== undefined) {
        this.#remember({ bytes: file.length, ...(claims === undefined ? {} : { claims: [...claims] }) });
      }
      return progress.result();
    });
  }

  async finish(end: SinkEnd, signal: AbortSignal): Promise<SendResult> {
    return await this.#file.guard(signal, async () => {
      await this.#ready(signal);
      const { session, task } = this.#open();
      for (const parameter of endProperties(end)) task.set(parameter);
      if (task.changed) {
        if (end.state === "failed") {
          this.#names.note(
            "ClearML shows every imported session as completed; how the run ended is in its property `pipekit_state`.",
          );
        }
        await this.#unzip(session, signal);
        await task.save();
      }
      await before(makeZip(session), signal);
      this.#mayBeZipped = true;
      return { status: "ok" as const };
    });
  }

  async count(keys: readonly string[], signal: AbortSignal): Promise<SinkCount | undefined> {
    const { session } = this.#open();
    const names = keys.map((key) => this.#names.metric(key));
    try {
      const { bytes } = this.#file.current.memo;
      const counts = await countPoints(session.metrics, bytes, names, signal);
      return {
        points: counts.reduce((sum, count) => sum + count, 0),
        byKey: Object.fromEntries(keys.map((key, index) => [key, counts[index] ?? 0])),
      };
    } catch (error) {
      if (!signal.aborted) fileSetback(error, this.#spec.folder);
      return undefined;
    }
  }

  takeMemo(): AdapterMemo | undefined {
    return this.#file.takeMemo();
  }

  takeNotes(): readonly string[] {
    return [...this.#file.takeNotes(), ...this.#names.takeNotes()];
  }

  async close(): Promise<void> {
    this.#opened = undefined;
    await this.#file.close();
  }

  /** Takes the end back: the zip, and what the task says of it. */
  async #reopen(signal: AbortSignal): Promise<void> {
    const { session, task } = this.#open();
    await this.#unzip(session, signal);
    for (const property of resumedProperties()) task.forget(property);
    await task.save();
  }

  /** Takes away a zip that will lack something. */
  async #unzip(session: Session, signal: AbortSignal): Promise<void> {
    if (!this.#mayBeZipped) return;
    await before(zipSettled(session), signal);
    if (await exists(session.zip)) {
      await removeDurably(session.zip);
      if (!this.#file.current.memo.told) {
        this.#names.note(
          `Records came after ${session.zip} was made; it is made anew at the end, and an import of before lacks them.`,
        );
        this.#remember({ told: true });
      }
    }
    this.#mayBeZipped = false;
  }

  /** The file of points, mended where someone else has changed it. */
  async #ready(signal: AbortSignal): Promise<AppendFile> {
    const { session } = this.#open();
    const { file } = await this.#file.ready(async (run, memo) => {
      const start = { session, project: this.#spec.project, run, names: this.#names, note: this.#file.note };
      const { task, ...opened } = await resumeSession(start, memo, signal);
      this.#opened = { ...this.#open(), task };
      return opened;
    });
    return file;
  }

  #remember(change: Partial<Memo>): void {
    this.#file.remember({ ...this.#file.current.memo, ...change });
  }

  #open(): Opened {
    if (this.#opened === undefined) throw new Error("The adapter must be opened first.");
    return this.#opened;
  }
}

/** Resolves with the work, which goes on when the signal ends the waiting. */
async function before(work: Promise<void>, signal: AbortSignal): Promise<void> {
  work.catch(() => undefined);
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
