/** One run in a folder for `wandb sync`. */
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
import { fileSetback } from "../../file-faults.ts";
import { FileRun, type OpenFile } from "../../file-run.ts";
import { isPassing } from "../../files.ts";
import { SourceUnreadable } from "../../registry.ts";
import { AXIS_KEY, eventKey, isSystemKey, wandbKey } from "../keys.ts";
import { wandbArtifactName } from "../server/artifact-name.ts";
import type { Facts } from "../server/facts.ts";
import type { Artifact } from "../server/manifest.ts";
import type { OfflineSpec } from "../spec.ts";
import { stageArtifact } from "./artifacts.ts";
import { changeBy, isPoint, noteNames, recordsOf } from "./batch.ts";
import { countCells } from "./count.ts";
import { addToLines, type Lines } from "./lines.ts";
import { type Memo, readMemo } from "./memo.ts";
import { logFile, RUNS } from "./places.ts";
import { type Draft, metricRecord, runRecord, statsKey } from "./records.ts";
import { changesOf, readFacts, runFacts } from "./run-facts.ts";
import { append, resumeRun, salvageRun, startRun } from "./run-log.ts";

/** A second value of a key at a step gets a line of its own; no line is dropped by a reader, since `_step` rises. */
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

/** Keys of lines that are no metrics. */
const NO_METRICS = new Set([AXIS_KEY, "_step", "_timestamp", "_runtime"]);

export class WandbOfflineAdapter implements TrackerAdapter {
  readonly properties = PROPERTIES;
  readonly #spec: OfflineSpec;
  readonly #context: AdapterContext;
  readonly #file: FileRun<Memo>;
  /** W&B's keys of metrics that the file gives an axis; undefined when it is not known which. */
  #axes: ReadonlySet<string> | undefined;
  /** What is true of the run; undefined when the file has to be asked. */
  #facts: Facts | undefined;

  constructor(spec: OfflineSpec, context: AdapterContext) {
    this.#spec = spec;
    this.#context = context;
    this.#file = new FileRun(spec.folder);
  }

  async open(run: SinkRun, memo: AdapterMemo | undefined, signal: AbortSignal): Promise<OpenResult> {
    return await this.#file.guard(signal, async () => {
      this.#let();
      const known = readMemo(memo);
      const { note } = this.#file;
      const begin = memo === undefined ? startRun : salvageRun;
      const opened =
        known === undefined
          ? await begin(this.#spec, run, note, signal)
          : await resumeRun(this.#spec, run, known, note, signal);
      this.#file.opened(run, opened);
      if (run.resumed && opened.memo.end !== null) await this.#reopen(opened, signal);
      const { memo: current } = this.#file.current;
      this.#context.log("debug", "W&B file opened", { run: run.runId, file: opened.file.path });
      const remoteUrl = pathToFileURL(this.#folder(current)).href;
      return { status: "ok" as const, remoteId: run.runId, remoteUrl, memo: { ...current } };
    });
  }

  async send(batch: readonly SinkRecord[], signal: AbortSignal): Promise<SendResult> {
    return await this.#file.guard(signal, async () => {
      if (batch.length === 0) return { status: "ok" };
      const { file, memo } = await this.#ready(signal);
      const { run } = this.#file.current;
      const { drafts: artifacts, rejected, reason } = await this.#artifacts(batch, signal);
      const lines = addToLines(memo, batch.filter(isPoint));
      noteNames(batch, lines, this.#file.note);
      const axes = await this.#axesOf(lines, signal);
      const changes = await this.#changes(changeBy(batch), signal);
      const drafts = [
        ...changes.drafts,
        ...[...axes].filter((key) => !this.#axes?.has(key)).map(metricRecord),
        ...recordsOf(lines, run),
        ...artifacts,
      ];
      const { history, events } = lines;
      this.#file.remember(await append(file, run, drafts, { ...memo, history, events }));
      if (axes.size > 0) this.#axes = axes;
      this.#facts = changes.facts;
      return rejected.length === 0 ? { status: "ok" } : { status: "permanent", reason, rejected };
    });
  }

  async finish(end: SinkEnd, signal: AbortSignal): Promise<SendResult> {
    return await this.#file.guard(signal, async () => {
      const { file, memo } = await this.#ready(signal);
      const { run } = this.#file.current;
      const change = end.reason === "" ? undefined : (facts: Facts) => facts.ended(end.reason);
      const { drafts, facts } = await this.#changes(change, signal);
      this.#file.remember(await append(file, run, drafts, { ...memo, end }));
      this.#facts = facts;
      return { status: "ok" as const };
    });
  }

  async count(keys: readonly string[], signal: AbortSignal): Promise<SinkCount | undefined> {
    const path = this.#path;
    try {
      const { history, events } = await countCells(path, signal);
      const shown = (key: string) =>
        isSystemKey(key) ? events.get(statsKey(eventKey(key))) : history.get(wandbKey(key));
      const byKey = Object.fromEntries(keys.map((key) => [key, shown(key) ?? 0]));
      return { points: Object.values(byKey).reduce((sum, count) => sum + count, 0), byKey };
    } catch (error) {
      if (!signal.aborted) fileSetback(error, this.#spec.folder);
      return undefined;
    }
  }

  takeMemo(): AdapterMemo | undefined {
    return this.#file.takeMemo();
  }

  takeNotes(): readonly string[] {
    return this.#file.takeNotes();
  }

  async close(): Promise<void> {
    this.#let();
  }

  #let(): void {
    this.#axes = undefined;
    this.#facts = undefined;
    this.#file.close();
  }

  get #path(): string {
    const { run, memo } = this.#file.current;
    return logFile(this.#folder(memo), run.runId);
  }

  #folder(memo: Memo): string {
    return join(this.#spec.folder, RUNS, memo.folder);
  }

  /** Takes the end back: it stands behind the settled records, and its reason among the facts. */
  async #reopen({ file, memo }: OpenFile<Memo>, signal: AbortSignal): Promise<void> {
    const { drafts, facts } = await this.#changes((before) => before.resumed(), signal);
    this.#file.remember(await append(file, this.#file.current.run, drafts, { ...memo, end: null }));
    this.#facts = facts;
  }

  #ready(signal: AbortSignal): Promise<OpenFile<Memo>> {
    return this.#file.ready((run, memo) => {
      this.#axes = undefined;
      this.#facts = undefined;
      return resumeRun(this.#spec, run, memo, this.#file.note, signal);
    });
  }

  /** Copies the files of artifacts; one that cannot be read costs its artifact. */
  async #artifacts(
    batch: readonly SinkRecord[],
    signal: AbortSignal,
  ): Promise<{ drafts: readonly Draft[]; rejected: readonly number[]; reason: string }> {
    const { run, memo } = this.#file.current;
    const { entity, project } = this.#spec;
    const drafts: Draft[] = [];
    const rejected: number[] = [];
    let reason = "";
    for (const [index, record] of batch.entries()) {
      if (record.kind !== "artifact") continue;
      const to = { entity, project, name: this.#artifactName(record) };
      try {
        drafts.push(await stageArtifact(record, run, this.#folder(memo), to, signal));
      } catch (error) {
        if (!(error instanceof SourceUnreadable) || isPassing(error)) throw error;
        rejected.push(index);
        reason = `The artifact \`${record.name}\` cannot be copied: ${error.message}`;
      }
    }
    return { drafts, rejected, reason };
  }

  #artifactName({ name }: Artifact): string {
    const taken = wandbArtifactName(name);
    if (taken !== name) {
      this.#file.note(`W&B does not take the artifact name \`${name}\`; it is kept as \`${taken}\`.`);
    }
    return taken;
  }

  /** The run's facts after a change, if there is one, and what must be said of it. */
  async #changes(
    change: ((facts: Facts) => Facts) | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly drafts: readonly Draft[]; readonly facts: Facts | undefined }> {
    if (change === undefined) return { drafts: [], facts: this.#facts };
    const { run } = this.#file.current;
    const before = this.#facts ?? (await readFacts(this.#path, signal));
    const facts = change(before);
    const { config, isRun } = changesOf(before, facts);
    return { drafts: isRun ? [...config, runRecord(run, this.#spec, runFacts(facts))] : config, facts };
  }

  /** Metrics whose axis is the step as it was logged: all of them, once a line stands under another `_step`. */
  async #axesOf({ history, rows }: Lines, signal: AbortSignal): Promise<ReadonlySet<string>> {
    if (!history.displaced) return new Set();
    const before = this.#axes ?? (await countCells(this.#path, signal)).history.keys();
    const axes = new Set([...before].filter((key) => !NO_METRICS.has(key)));
    const all = history.open === undefined ? rows : [...rows, history.open];
    for (const { cells } of all) for (const [key] of cells) axes.add(key);
    return axes;
  }
}
