/**
 * Runs of a store in SQLite, as MLflow's `SqlAlchemyStore` keeps them, in the tables `experiments`, `runs`, `metrics`, `params`
 * and `tags` (the same since MLflow 1.0; of newer columns only `is_nan` is used). Infinities lie there as the largest doubles
 * and come out so, as a server shows them. Each question is a short one: a reader that stays keeps the server from writing.
 */
import { stat } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  type PastRecord,
  type PastRow,
  type RunHistory,
  SourceError,
  sourceFault,
} from "@pipekit/adapters/history";
import { filesIn, isWithin } from "../../history-files.ts";
import { Notes } from "../../notes.ts";
import { type PairRow, type PointRow, prepare, type RunRow } from "./questions.ts";
import { deletedNote, firstRecords, lastRecords, listedRun, type MlflowRun } from "./run.ts";

const ROWS = 8192;
const RUNS = 200;
/** How long a server that writes is waited for, milliseconds. */
const BUSY_MS = 10_000;

interface DatabaseRun extends MlflowRun {
  readonly artifactUri: string;
}

/** Opens a database file. Throws SourceError when it is none of MLflow's. */
export async function openDatabase(file: string): Promise<DatabaseHistory> {
  await stat(file).catch((error) => Promise.reject(sourceFault(error, file)));
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { readOnly: true, timeout: BUSY_MS });
    return new DatabaseHistory(file, db, prepare(db));
  } catch (cause) {
    db?.close();
    throw unreadable(file, cause);
  }
}

export class DatabaseHistory implements RunHistory<DatabaseRun> {
  readonly #file: string;
  readonly #db: DatabaseSync;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #notes = new Notes();

  constructor(file: string, db: DatabaseSync, sql: ReturnType<typeof prepare>) {
    this.#file = file;
    this.#db = db;
    this.#sql = sql;
  }

  async *list(signal: AbortSignal): AsyncGenerator<DatabaseRun> {
    const [found] = this.#all<{ deleted: number }>(this.#sql.deleted);
    if (found !== undefined && found.deleted > 0) this.#notes.add(deletedNote(found.deleted));
    for (let after = 0; ; ) {
      const runs = this.#all<RunRow>(this.#sql.runs, after, RUNS);
      for (const run of runs) {
        signal.throwIfAborted();
        yield this.#listed(run);
      }
      after = runs.at(-1)?.row ?? after;
      if (runs.length < RUNS) return;
      await turn();
    }
  }

  async *read(run: DatabaseRun, signal: AbortSignal): AsyncGenerator<PastRecord> {
    yield* firstRecords(run.stored);
    const keys = new Map<string, readonly string[]>();
    for (let after = -1; ; ) {
      signal.throwIfAborted();
      const points = this.#all<PointRow>(this.#sql.points, run.id, after, ROWS);
      yield { kind: "rows", rows: points.map((point) => rowOf(point, keys)) };
      after = points.at(-1)?.row ?? after;
      if (points.length < ROWS) break;
      await turn();
    }
    yield* this.#artifacts(run);
    yield* lastRecords(run.stored);
  }

  isFedBy(): boolean {
    return false;
  }

  takeNotes(): readonly string[] {
    return this.#notes.take();
  }

  async close(): Promise<void> {
    this.#db.close();
  }

  #listed({ uuid, name, experiment, status, startMs, endMs, artifactUri }: RunRow): DatabaseRun {
    const stored = {
      uuid,
      name: name ?? "",
      experiment,
      status: status ?? "RUNNING",
      startMs: startMs ?? 0,
      endMs: endMs ?? 0,
      params: pairs(this.#all<PairRow>(this.#sql.params, uuid)),
      tags: pairs(this.#all<PairRow>(this.#sql.tags, uuid)),
    };
    const metrics = JSON.stringify(this.#all(this.#sql.extent, uuid));
    return { ...listedRun(stored, this.#file, metrics), artifactUri: artifactUri ?? "" };
  }

  /** Files are read where they lie beside the database; elsewhere, they are named. */
  async *#artifacts({ artifactUri }: DatabaseRun): AsyncGenerator<PastRecord> {
    const folder = dirname(this.#file);
    const path = localPath(artifactUri, folder);
    const found = path === undefined ? undefined : await stat(path).catch(() => undefined);
    if (path === undefined) {
      if (artifactUri !== "") yield { kind: "uri", name: "mlflow-artifacts", uri: artifactUri };
    } else if (found?.isDirectory() && (await isWithin(path, folder))) {
      yield* filesIn(path, folder, "", this.#notes.add);
    } else if (found !== undefined) {
      this.#notes.add(`${path} is left out: it does not lie below ${folder}.`);
    }
  }

  #all<T>(statement: StatementSync, ...values: (string | number)[]): T[] {
    try {
      return statement.all(...values) as T[];
    } catch (cause) {
      throw unreadable(this.#file, cause);
    }
  }
}

function rowOf({ key, ms, step, value, isNan }: PointRow, known: Map<string, readonly string[]>): PastRow {
  let keys = known.get(key);
  if (keys === undefined) {
    keys = [key];
    known.set(key, keys);
  }
  return { keys, step, timeUs: ms * 1000, values: [isNan ? Number.NaN : value] };
}

function pairs(rows: readonly PairRow[]): Record<string, string> {
  return Object.fromEntries(rows.map(({ key, value }) => [key, value ?? ""]));
}

/** The folder that a local address names, relative ones from `folder`; undefined for one elsewhere. */
function localPath(uri: string, folder: string): string | undefined {
  if (uri.startsWith("file:")) {
    try {
      return fileURLToPath(uri);
    } catch {
      return undefined;
    }
  }
  if (uri === "" || /^[a-z][a-z0-9+.-]*:/i.test(uri)) return undefined;
  return isAbsolute(uri) ? uri : join(folder, uri);
}

function unreadable(file: string, cause: unknown): SourceError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new SourceError(
    `${file} cannot be read as a database of MLflow: ${said}.`,
    "Name the file that `mlflow server --backend-store-uri sqlite:///FILE` uses; old ones need `mlflow db upgrade`.",
    { cause },
  );
}
