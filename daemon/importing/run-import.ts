/** Brings one run of another tool here, or what is new of it. */
import type { PastEnd, PastRecord, PastRow, PastRun } from "@pipekit/adapters/history";
import { type ArtifactFile, ImportOutcome, PipekitError, packRows, RunState } from "@pipekit/proto";
import type { RunEntry } from "../journal/index.ts";
import { flattenParams } from "../journal/params.ts";
import { artifactName, jsonValue, RowCleaner } from "./clean.ts";
import { runIdOf, writerIdOf } from "./identity.ts";
import { KnownPoints } from "./known-points.ts";
import type { RunImportParts, Taken } from "./parts.ts";
import { RunFrames } from "./run-frames.ts";
import { isEndOf, REVISION_TAG, resumeOf, startOf } from "./run-state.ts";

export class RunImport {
  readonly #parts: RunImportParts;
  readonly #run: PastRun;
  readonly #entry: RunEntry | undefined;
  readonly #frames: RunFrames;
  readonly #known: KnownPoints | undefined;
  readonly #cleaner: RowCleaner;
  #taken = 0;

  /** `entry` is what the journal has of it. Throws CORRUPT_JOURNAL. */
  static async open(parts: RunImportParts, run: PastRun, entry: RunEntry | undefined): Promise<RunImport> {
    const known =
      entry === undefined || entry.points === 0
        ? undefined
        : await KnownPoints.of(parts.journal, entry, parts.note);
    const before = entry?.resume?.writerId;
    const isOver = entry !== undefined && entry.state !== "running";
    const writerId = isOver ? writerIdOf(run, before ?? writerIdOf(run)) : (before ?? writerIdOf(run));
    const frames = new RunFrames({
      ...parts,
      runId: runIdOf(run),
      writerId,
      lastSeq: await parts.journal.lastSeq(writerId),
      first: entry === undefined ? startOf(run, parts.tool) : isOver ? resumeOf(parts.tool) : undefined,
    });
    return new RunImport(parts, run, entry, frames, known);
  }

  private constructor(
    parts: RunImportParts,
    run: PastRun,
    entry: RunEntry | undefined,
    frames: RunFrames,
    known: KnownPoints | undefined,
  ) {
    this.#parts = parts;
    this.#run = run;
    this.#entry = entry;
    this.#frames = frames;
    this.#known = known;
    this.#cleaner = new RowCleaner(parts.note);
  }

  /** Throws SourceError, what the journal throws, and the reason of an abort. What was taken stays. */
  async take(signal: AbortSignal): Promise<Taken> {
    if (this.#entry === undefined) this.#frames.begin();
    let end: PastEnd | undefined;
    try {
      for await (const record of this.#parts.history.read(this.#run, signal)) {
        signal.throwIfAborted();
        if (record.kind === "end") end = record.end;
        else await this.#add(record, signal);
      }
      await this.#finish(end);
      await this.#frames.close();
    } finally {
      await this.#frames.settle();
    }
    const { lost } = this.#cleaner;
    if (lost > 0)
      this.#parts.note(
        `Run ${this.#run.id}: ${lost} rows have steps or times that cannot be kept, and are left out.`,
      );
    return { outcome: this.#outcome(), pointsTaken: this.#taken, isOpen: end === undefined };
  }

  #outcome(): ImportOutcome {
    if (this.#entry === undefined) return ImportOutcome.IMPORT_OUTCOME_NEW;
    return this.#frames.hasBegun
      ? ImportOutcome.IMPORT_OUTCOME_GROWN
      : ImportOutcome.IMPORT_OUTCOME_UNCHANGED;
  }

  async #add(record: Exclude<PastRecord, { kind: "end" }>, signal: AbortSignal): Promise<void> {
    switch (record.kind) {
      case "rows":
        return this.#addRows(record.rows);
      case "params":
        return this.#addParams(record.params);
      case "tags":
        return this.#addTags(record.tags);
      case "file":
        return this.#addFile(record.name, record.path, signal);
      case "uri":
        return this.#addArtifact(record.name, [], record.uri);
    }
  }

  async #addRows(rows: readonly PastRow[]): Promise<void> {
    const fresh: PastRow[] = [];
    let points = 0;
    for (const row of rows) {
      this.#parts.tally.pointsRead += row.values.length;
      for (const clean of this.#cleaner.clean(row)) {
        const left = this.#known === undefined ? clean : this.#known.newOf(clean);
        if (left === undefined) continue;
        fresh.push(left);
        points += left.values.length;
      }
    }
    if (points === 0) return;
    await this.#frames.add({ record: { $case: "metrics", value: packRows(fresh) } }, points);
    this.#taken += points;
    this.#parts.tally.pointsTaken += points;
  }

  async #addParams(params: Readonly<{ [name: string]: unknown }>): Promise<void> {
    const known = this.#entry?.params ?? {};
    const pairs = flattenParams(JSON.stringify(jsonValue(params)));
    const fresh = pairs.filter(([name, value]) => !Object.hasOwn(known, name) || known[name] !== value);
    if (fresh.length === 0) return;
    const paramsJson = `{${fresh.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`;
    await this.#frames.add({ record: { $case: "params", value: { paramsJson } } });
  }

  async #addTags(tags: Readonly<{ [name: string]: string }>): Promise<void> {
    const known = this.#entry?.tags ?? {};
    const fresh = Object.entries(tags).filter(
      ([name, value]) => !Object.hasOwn(known, name) || known[name] !== value,
    );
    if (fresh.length === 0) return;
    const wellFormed = fresh.map(([name, value]) => [name.toWellFormed(), value.toWellFormed()]);
    await this.#frames.add({ record: { $case: "tags", value: { tags: Object.fromEntries(wellFormed) } } });
  }

  async #addFile(name: string, path: string, signal: AbortSignal): Promise<void> {
    try {
      const { files, held } = await this.#parts.ingest(path, signal);
      if (files.length === 0) held.release();
      else await this.#addArtifact(name, files, "", held);
    } catch (error) {
      if (!(error instanceof PipekitError) || error.code !== "ARTIFACT_UNREADABLE") throw error;
      this.#parts.note(`A file of run ${this.#run.id} is left out: ${error.message}`);
    }
  }

  async #addArtifact(
    given: string,
    files: ArtifactFile[],
    uri: string,
    held?: { release(): void },
  ): Promise<void> {
    const name = artifactName(given);
    const isSame = this.#entry?.artifacts.some((known) => {
      return (
        known.name === name && known.uri === uri && JSON.stringify(known.files) === JSON.stringify(files)
      );
    });
    if (name === undefined || isSame) {
      held?.release();
      if (name === undefined)
        this.#parts.note(`An artifact of run ${this.#run.id} has no name that can be kept.`);
      return;
    }
    const value = { name, path: "", staged: false, files, uri };
    await this.#frames.add({ record: { $case: "artifact", value } }, 0, held);
  }

  /** Behind all else: which state of the source is here now, and how the run ended. */
  async #finish(end: PastEnd | undefined): Promise<void> {
    const isNews = end !== undefined && !isEndOf(this.#entry, end);
    if (!this.#frames.hasBegun && !isNews) return;
    await this.#addTags({ [REVISION_TAG]: this.#run.revision });
    if (end === undefined) return;
    const { endedAtUs, reason } = end;
    const state = end.state === "completed" ? RunState.RUN_STATE_COMPLETED : RunState.RUN_STATE_FAILED;
    await this.#frames.add({
      record: { $case: "end", value: { state, reason, endedAtUs: Math.round(endedAtUs) } },
    });
  }
}
