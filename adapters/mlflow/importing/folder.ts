/**
 * Runs of a file store, as MLflow's `FileStore` writes them: `<experiment>/meta.yaml`, `<experiment>/<run>/meta.yaml`, and in
 * the run's folder `metrics/KEY` (lines `ms value step [data set, its digest]`; `ms value` in old ones), `params/KEY` and
 * `tags/KEY` (the value), `artifacts/`. A key with slashes is a path. Experiments that were deleted lie in `.trash`, a run
 * that was has `lifecycle_stage: deleted`.
 */
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import {
  type PastRecord,
  type PastRow,
  type RunHistory,
  SourceError,
  sourceFault,
} from "@pipekit/adapters/history";
import { filesIn, isWithin, revisionOf, walkFolders } from "../../history-files.ts";
import { Notes } from "../../notes.ts";
import { ExperimentMeta, RunMeta, yamlOf } from "./meta-file.ts";
import { rowOf } from "./metric-line.ts";
import { deletedNote, firstRecords, lastRecords, listedRun, type MlflowRun } from "./run.ts";

const ROWS = 4096;
interface FolderRun extends MlflowRun {
  readonly folder: string;
}

/** Whether a folder holds experiments of a file store. */
export async function isFileStore(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    names.map(
      async (name) => ExperimentMeta.safeParse(await yamlOf(join(folder, name, "meta.yaml"))).success,
    ),
  );
  return found.includes(true);
}

export class FolderHistory implements RunHistory<FolderRun> {
  readonly #root: string;
  readonly #notes = new Notes();

  constructor(root: string) {
    this.#root = root;
  }

  async *list(signal: AbortSignal): AsyncGenerator<FolderRun> {
    let deleted = 0;
    for (const name of await namesIn(this.#root)) {
      const folder = join(this.#root, name);
      const experiment = ExperimentMeta.safeParse(await yamlOf(join(folder, "meta.yaml"))).data;
      if (experiment === undefined || experiment.lifecycle_stage !== "active") continue;
      for (const run of await namesIn(folder)) {
        signal.throwIfAborted();
        const listed = await this.#listed(join(folder, run), experiment.name, signal);
        if (listed === "deleted") deleted++;
        else if (listed !== undefined) yield listed;
      }
    }
    if (deleted > 0) this.#notes.add(deletedNote(deleted));
  }

  async *read(run: FolderRun, signal: AbortSignal): AsyncGenerator<PastRecord> {
    yield* firstRecords(run.stored);
    for await (const [key, path] of this.#entries(join(run.folder, "metrics"), signal)) {
      yield* this.#points(path, key, signal);
    }
    const artifacts = join(run.folder, "artifacts");
    yield* filesIn(artifacts, this.#root, "", this.#notes.add);
    if ((await namesIn(join(run.folder, "inputs"))).length > 0) {
      this.#notes.add(`The data set inputs of run ${run.id} are not carried.`);
    }
    yield* lastRecords(run.stored);
  }

  isFedBy(): boolean {
    return false;
  }

  takeNotes(): readonly string[] {
    return this.#notes.take();
  }

  async close(): Promise<void> {}

  async #listed(
    folder: string,
    experiment: string,
    signal: AbortSignal,
  ): Promise<FolderRun | "deleted" | undefined> {
    const file = join(folder, "meta.yaml");
    const yaml = await yamlOf(file);
    const meta = RunMeta.safeParse(yaml).data;
    const uuid = meta?.run_id ?? meta?.run_uuid;
    if (meta === undefined || uuid === undefined) {
      // Folders of another kind have none: models, traces, data sets.
      if (yaml !== undefined) this.#notes.add(`${file} is not what MLflow writes; the run is left out.`);
      return undefined;
    }
    if (meta.lifecycle_stage !== "active") return "deleted";
    const metrics: string[] = [];
    for await (const [, path] of this.#entries(join(folder, "metrics"), signal)) metrics.push(path);
    const stored = {
      uuid,
      name: meta.run_name,
      experiment,
      status: meta.status,
      startMs: meta.start_time ?? 0,
      endMs: meta.end_time ?? 0,
      params: await this.#texts(join(folder, "params"), signal),
      tags: await this.#texts(join(folder, "tags"), signal),
    };
    return { ...listedRun(stored, folder, await revisionOf(metrics)), folder };
  }

  async *#points(path: string, key: string, signal: AbortSignal): AsyncGenerator<PastRecord> {
    const keys = [key];
    let rows: PastRow[] = [];
    let damaged = 0;
    try {
      for await (const line of createInterface({ input: createReadStream(path, { signal }) })) {
        const row = rowOf(line, keys);
        if (row !== undefined) rows.push(row);
        else if (line.trim() !== "") damaged++;
        if (rows.length < ROWS) continue;
        yield { kind: "rows", rows };
        rows = [];
      }
    } catch (error) {
      signal.throwIfAborted();
      throw sourceFault(error, path);
    }
    if (damaged > 0) this.#notes.add(`${damaged} lines of ${path} are no metric points, and are left out.`);
    if (rows.length > 0) yield { kind: "rows", rows };
  }

  async #texts(folder: string, signal: AbortSignal): Promise<Record<string, string>> {
    const texts: [string, string][] = [];
    for await (const [key, path] of this.#entries(folder, signal)) {
      texts.push([
        key,
        await readFile(path, "utf8").catch((error) => Promise.reject(sourceFault(error, path))),
      ]);
    }
    return Object.fromEntries(texts);
  }

  /** Key and path of each file below a folder. Links could name any file of the host: they are not followed. */
  async *#entries(folder: string, signal: AbortSignal): AsyncGenerator<[string, string]> {
    if (!(await stat(folder).catch(() => undefined))?.isDirectory() || !(await isWithin(folder, this.#root)))
      return;
    for await (const { path, files } of walkFolders(folder, signal)) {
      for (const name of files) yield [relative(folder, join(path, name)), join(path, name)];
    }
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).filter((name) => !name.startsWith(".")).sort();
}

/** The folder itself, or the `mlruns` in it. Throws SourceError when it is no file store. */
export async function openFolder(folder: string): Promise<FolderHistory> {
  for (const root of [folder, join(folder, "mlruns")]) {
    if (await isFileStore(root)) return new FolderHistory(root);
  }
  throw new SourceError(`${folder} is no file store of MLflow.`, "Name the `mlruns` folder.");
}
