/** One run in one TensorBoard log folder. */
import { join } from "node:path";
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
import { fileSetback } from "../file-faults.ts";
import { FileRun, type OpenFile } from "../file-run.ts";
import { lostArtifacts } from "./artifacts.ts";
import { encodeBatch } from "./batch.ts";
import { countPoints } from "./count.ts";
import { type Memo, readMemo } from "./memo.ts";
import { pointFiles } from "./places.ts";
import { addParams, endOf, reopenRun, resumeRun, salvageRun, startRun } from "./run-files.ts";

const PROPERTIES: Properties = {
  maxPoints: 16_384,
  maxRecords: 16_384,
  maxBytes: 4 * 1024 * 1024,
  requestsPerSecond: Number.POSITIVE_INFINITY,
  monotonicSteps: false,
  nonFinite: "kept",
  idempotentReplay: false,
  keepsEqualSteps: true,
};

export class TensorBoardAdapter implements TrackerAdapter {
  readonly properties = PROPERTIES;
  readonly #base: string;
  readonly #context: AdapterContext;
  readonly #file: FileRun<Memo>;
  /** UTF-8 of the tags that are in use. */
  readonly #tags = new Map<string, Buffer>();

  constructor(base: string, context: AdapterContext) {
    this.#base = base;
    this.#context = context;
    this.#file = new FileRun(base);
  }

  async open(run: SinkRun, memo: AdapterMemo | undefined, signal: AbortSignal): Promise<OpenResult> {
    return await this.#file.guard(signal, async () => {
      this.#file.close();
      const known = readMemo(memo);
      const { note } = this.#file;
      const begin = memo === undefined ? startRun : salvageRun;
      const goOn = run.resumed && known?.end ? reopenRun : resumeRun;
      const opened =
        known === undefined
          ? await begin(this.#base, run, note, signal)
          : await goOn(this.#base, run, known, note, signal);
      this.#file.opened(run, opened);
      this.#context.log("debug", "event file opened", { run: run.runId, file: opened.file.path });
      const { folder } = opened.memo;
      const remoteUrl = pathToFileURL(join(this.#base, folder)).href;
      return { status: "ok" as const, remoteId: folder, remoteUrl, memo: { ...opened.memo } };
    });
  }

  async send(batch: readonly SinkRecord[], signal: AbortSignal): Promise<SendResult> {
    return await this.#file.guard(signal, async () => {
      if (batch.length === 0) return { status: "ok" };
      const { file, memo } = await this.#ready(signal);
      const { run } = this.#file.current;
      const lost = await lostArtifacts(batch);
      const taken = lost.size === 0 ? batch : batch.filter((_, index) => !lost.has(index));
      const { bytes, params, progress } = encodeBatch(taken, run, memo, this.#tags, this.#file.note);
      await addParams(this.#base, memo, run, params, this.#file.note, signal);
      await file.write(bytes, endOf({ ...memo, ...progress }));
      this.#file.remember({ ...memo, ...progress, bytes: file.length });
      const [reason] = lost.values();
      return reason === undefined
        ? { status: "ok" }
        : { status: "permanent", reason, rejected: [...lost.keys()] };
    });
  }

  async finish(end: SinkEnd, signal: AbortSignal): Promise<SendResult> {
    return await this.#file.guard(signal, async () => {
      const { file, memo } = await this.#ready(signal);
      await file.write(new Uint8Array(), endOf({ ...memo, end }));
      this.#file.remember({ ...memo, end });
      return { status: "ok" as const };
    });
  }

  async count(keys: readonly string[], signal: AbortSignal): Promise<SinkCount | undefined> {
    const { run, memo } = this.#file.current;
    const counts = new Map<string, number>();
    try {
      for (const path of await pointFiles(join(this.#base, memo.folder), run.runId)) {
        await countPoints(path, counts, signal);
      }
    } catch (error) {
      if (!signal.aborted) fileSetback(error, this.#base);
      return undefined;
    }
    const byKey = Object.fromEntries(keys.map((key) => [key, counts.get(key) ?? 0]));
    return { points: Object.values(byKey).reduce((sum, count) => sum + count, 0), byKey };
  }

  takeMemo(): AdapterMemo | undefined {
    return this.#file.takeMemo();
  }

  takeNotes(): readonly string[] {
    return this.#file.takeNotes();
  }

  async close(): Promise<void> {
    this.#file.close();
  }

  #ready(signal: AbortSignal): Promise<OpenFile<Memo>> {
    return this.#file.ready((run, memo) => resumeRun(this.#base, run, memo, this.#file.note, signal));
  }
}
