/**
 * Runs of an export by `neptune-exporter` (Neptune's own, for 2.x and 3.x): `data/<project>/<run>_part_<n>.parquet`, complete
 * when part 0 is there, and `files/<project>/`, below which `file_value.path` lies. One row is one attribute of a run, or one
 * value of a series; steps are decimals with six digits behind the point. Schema: `src/neptune_exporter/model.py` there.
 */
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  type PastRecord,
  type PastRow,
  type PastRun,
  type RunHistory,
  SourceError,
} from "@pipekit/adapters/history";
import { isWithin, revisionOf } from "../history-files.ts";
import { Notes } from "../notes.ts";
import { Attributes } from "./attributes.ts";
import { type AttributeRow, Table } from "./table.ts";

const ROWS = 4096;
const FIRST_PART = "_part_0.parquet";

/** Where an export lies. */
export interface ExportPlace {
  readonly data: string;
  readonly files: string;
  /** Steps are multiplied by this before what is behind the point is cut off, as the exporter's own loaders do. */
  readonly stepMultiplier: number;
}

interface ExportedRun extends PastRun {
  readonly parts: readonly string[];
  /** Folder below which its files lie. */
  readonly files: string;
}

export class ExportHistory implements RunHistory<ExportedRun> {
  readonly #place: ExportPlace;
  readonly #notes = new Notes();

  constructor(place: ExportPlace) {
    this.#place = place;
  }

  async *list(signal: AbortSignal): AsyncGenerator<ExportedRun> {
    const { data } = this.#place;
    for (const project of await foldersIn(data)) {
      const names = (await readdir(join(data, project))).sort();
      for (const name of names.filter((each) => each.endsWith(FIRST_PART))) {
        signal.throwIfAborted();
        const prefix = name.slice(0, -FIRST_PART.length);
        const run = await this.#listed(join(data, project), prefix, names);
        if (run !== undefined) yield run;
      }
    }
  }

  async *read(run: ExportedRun, signal: AbortSignal): AsyncGenerator<PastRecord> {
    const attributes = new Attributes();
    for (const part of run.parts) {
      for await (const rows of groupsOf(part)) {
        signal.throwIfAborted();
        yield* this.#points(rows, attributes);
      }
    }
    yield* attributes.records();
    for (const { name, path } of attributes.files) {
      const full = join(run.files, path);
      if ((await stat(full).catch(() => undefined)) === undefined)
        this.#notes.add(`${full} of run ${run.id} is missing.`);
      else if (await isWithin(full, run.files)) yield { kind: "file", name, path: full };
      else this.#notes.add(`${full} is left out: it leads out of what is imported.`);
    }
    for (const sentence of attributes.notes(run.id)) this.#notes.add(sentence);
    yield { kind: "end", end: attributes.end(run.startedAtUs) };
  }

  isFedBy(): boolean {
    return false;
  }

  takeNotes(): readonly string[] {
    return this.#notes.take();
  }

  async close(): Promise<void> {}

  /** Undefined for what cannot be read, which is told. */
  async #listed(folder: string, prefix: string, names: readonly string[]): Promise<ExportedRun | undefined> {
    const parts = names
      .filter(
        (name) => name.startsWith(`${prefix}_part_`) && /^\d+\.parquet$/.test(name.slice(prefix.length + 6)),
      )
      .sort(
        (a, b) =>
          Number.parseInt(a.slice(prefix.length + 6), 10) - Number.parseInt(b.slice(prefix.length + 6), 10),
      )
      .map((name) => join(folder, name));
    const [first = ""] = parts;
    try {
      const identity = await (await Table.open(first)).identity();
      if (identity === undefined) {
        this.#notes.add(`${first} has no rows, and its run is left out.`);
        return undefined;
      }
      const { project, run: id } = identity;
      const attributes = new Attributes();
      // What a run is as a whole stands before its series.
      for await (const rows of groupsOf(first)) {
        for (const row of rows) attributes.addFact(row);
        if (attributes.createdAtUs !== undefined) break;
      }
      const { stepMultiplier } = this.#place;
      return {
        // Under other steps it is another run: the points of the one that is here cannot become finer.
        identity: `neptune/${project}/${id}${stepMultiplier === 1 ? "" : `?step_multiplier=${stepMultiplier}`}`,
        id,
        name: attributes.name || id,
        startedAtUs: attributes.createdAtUs ?? 0,
        host: attributes.host,
        place: `${project}/${id}`,
        revision: await revisionOf(parts),
        parts,
        files: join(this.#place.files, basename(folder)),
      };
    } catch (error) {
      this.#notes.add(`The run of ${first} is left out: ${unreadable(first, error).message}`);
      return undefined;
    }
  }

  *#points(rows: Iterable<AttributeRow>, attributes: Attributes): Generator<PastRecord> {
    let points: PastRow[] = [];
    for (const row of rows) {
      if (row.type !== "float_series") {
        attributes.addFact(row);
        continue;
      }
      const point = attributes.point(row, this.#place.stepMultiplier);
      if (point !== undefined) points.push(point);
      if (points.length < ROWS) continue;
      yield { kind: "rows", rows: points };
      points = [];
    }
    if (points.length > 0) yield { kind: "rows", rows: points };
  }
}

/** Whether a folder holds an export's tables: projects with parts of runs. */
export async function isExportData(folder: string): Promise<boolean> {
  for (const project of await foldersIn(folder)) {
    const names = await readdir(join(folder, project)).catch(() => []);
    if (names.some((name) => name.endsWith(FIRST_PART))) return true;
  }
  return false;
}

/** Finds tables and files of an export whose folder, or whose `data` folder, is named. Throws SourceError. */
export async function placeOf(folder: string): Promise<Pick<ExportPlace, "data" | "files">> {
  const data = join(folder, "data");
  if (await isExportData(data)) return { data, files: join(folder, "files") };
  if (await isExportData(folder)) return { data: folder, files: join(dirname(folder), "files") };
  throw new SourceError(
    `${folder} is no export of Neptune's runs.`,
    "Name the folder in which `neptune-exporter export` made `data` and `files`.",
  );
}

async function* groupsOf(part: string): AsyncGenerator<Iterable<AttributeRow>> {
  try {
    yield* (await Table.open(part)).groups();
  } catch (error) {
    throw unreadable(part, error);
  }
}

function unreadable(path: string, cause: unknown): SourceError {
  if (cause instanceof SourceError) return cause;
  const said = cause instanceof Error ? cause.message : String(cause);
  return new SourceError(
    `${path} cannot be read as a table of neptune-exporter: ${said}.`,
    "Export the run again.",
    { cause },
  );
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .map(({ name }) => name)
    .sort();
}
