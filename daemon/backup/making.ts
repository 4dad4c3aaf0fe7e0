/**
 * Makes a backup beside its name, and gives it the name when it is whole and durable. A kill leaves a folder or file with
 * `.making` behind its name, which the next backup of that name removes.
 */
import { mkdir, readFile, realpath, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, sep } from "node:path";
import { syncFolder } from "@pipekit/adapters/files";
import { type BackupMade, PipekitError, type Progress } from "@pipekit/proto";
import { checkClientPath } from "../content/index.ts";
import { CONFIG, JOURNAL, MANIFEST, SUMS, TAR } from "./form.ts";
import { Gathering, type Origin } from "./gathering.ts";
import { leftOut } from "./left-out.ts";
import { sealManifest } from "./manifest.ts";
import { LINKS } from "./marks.ts";
import { Packing } from "./packing.ts";
import { writeTar } from "./tar.ts";
import { sizeOf } from "./tree.ts";

const MAKING = ".making";
/** Between two looks at how far the copy of the journal is, milliseconds. */
const LOOK_MS = 250;

/** What to back up. */
export interface BackupSource extends Origin {
  /** Whether it exists or not. */
  readonly configFile: string;
  /** Of the daemon. */
  readonly version: string;
}

export interface BackupRequest {
  /** A folder, or a file whose name ends in `.tar`; not there yet. */
  readonly path: string;
  readonly includeConfig: boolean;
}

export type OnProgress = (progress: Progress) => void;

/** Throws INVALID_ARGUMENT, STORAGE_FULL, CORRUPT_JOURNAL and the signal's reason; then nothing is left. */
export async function makeBackup(
  source: BackupSource,
  { path, includeConfig }: BackupRequest,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<BackupMade> {
  await checkTarget(path, source.stateFolder);
  const folder = path + MAKING;
  const links = join(source.stateFolder, LINKS);
  try {
    for (const left of [folder, links]) await rm(left, { recursive: true, force: true });
    for (const made of [folder, links]) await mkdir(made, { mode: 0o700 });
    const making = new Making(source, folder, onProgress, signal);
    const made = await making.make(path, includeConfig);
    if (path.endsWith(TAR)) {
      const tar = `${folder}${TAR}`;
      await writeTar(folder, tar, onProgress, signal);
      await rename(tar, path);
    } else await rename(folder, path);
    await syncFolder(dirname(path));
    return made;
  } catch (error) {
    signal.throwIfAborted();
    throw asTargetFailure(error, path);
  } finally {
    for (const left of [folder, `${folder}${TAR}`, links]) await rm(left, { recursive: true, force: true });
  }
}

class Making {
  readonly #source: BackupSource;
  readonly #folder: string;
  readonly #onProgress: OnProgress;
  readonly #packing: Packing;
  readonly #gathering: Gathering;

  constructor(source: BackupSource, folder: string, onProgress: OnProgress, signal: AbortSignal) {
    this.#source = source;
    this.#folder = folder;
    this.#onProgress = onProgress;
    this.#packing = new Packing(folder, signal, ({ files, filesTotal, bytes, bytesTotal }) => {
      const done = { filesDone: files, filesTotal, bytesDone: bytes, bytesTotal };
      onProgress({ phase: "files", modelsDone: 0, modelsTotal: 0, ...done });
    });
    this.#gathering = new Gathering(source, this.#packing, signal);
  }

  async make(path: string, includeConfig: boolean): Promise<BackupMade> {
    const packing = this.#packing;
    const gathering = this.#gathering;
    for (const folder of ["spool", "staging", "parked"]) await gathering.changing(folder);
    const { runs, points } = await this.#journal();
    await gathering.models();
    await gathering.linked();
    await gathering.audit();
    if (includeConfig) await this.#config();
    const { files, bytes, linked } = packing;
    const sums = Buffer.from(packing.sums());
    await packing.write(SUMS, sums);
    const { manifest, text } = sealManifest({
      at_us: Date.now() * 1000,
      daemon_version: this.#source.version,
      origin: { folder: this.#source.stateFolder, host: hostname() },
      ...{ files, bytes, runs, points },
      sums: packing.digestOf(SUMS),
      left_out: await leftOut(this.#source.stateFolder, includeConfig),
      notes: gathering.notes,
    });
    await packing.write(MANIFEST, Buffer.from(text));
    await packing.sync();
    const { left_out, notes, digest } = manifest;
    return { path, files, bytes, linkedFiles: linked, runs, points, leftOut: left_out, notes, digest };
  }

  async #journal() {
    const file = join(this.#source.stateFolder, JOURNAL);
    const bytesTotal = (await sizeOf(file)) + (await sizeOf(`${file}-wal`));
    const look = async () => {
      const bytesDone = await sizeOf(join(this.#folder, JOURNAL));
      const counts = { modelsDone: 0, modelsTotal: 0, filesDone: 0, filesTotal: 0 };
      this.#onProgress({ phase: "journal", bytesDone, bytesTotal, ...counts });
    };
    const timer = setInterval(() => void look().catch(() => undefined), LOOK_MS);
    try {
      return await this.#gathering.journal();
    } finally {
      clearInterval(timer);
    }
  }

  async #config(): Promise<void> {
    const { configFile } = this.#source;
    const text = await readFile(configFile).catch(() => undefined);
    if (text === undefined) this.#gathering.notes.push(`The config file ${configFile} cannot be read.`);
    else await this.#packing.write(CONFIG, text);
  }
}

/** Throws INVALID_ARGUMENT. */
async function checkTarget(path: string, stateFolder: string): Promise<void> {
  await checkClientPath(path, false, "", "path");
  const parent = await realpath(dirname(path)).catch((cause: unknown) => {
    throw refused(`There is no folder ${dirname(path)}`, "Make it first.", cause);
  });
  if (parent === stateFolder || parent.startsWith(stateFolder + sep)) {
    throw refused(`${path} lies in the state folder`, "Write it to another place, best on another disk.");
  }
  // Never replaced: an old backup is better than half of a new one.
  const there = await realpath(path).catch(() => undefined);
  if (there !== undefined) throw refused(`${path} is there already`, "Give a new name.");
}

function refused(what: string, mend: string, cause?: unknown): PipekitError {
  return new PipekitError("INVALID_ARGUMENT", `${what}.`, { field: "path", mend, cause });
}

const CANNOT_WRITE: ReadonlySet<unknown> = new Set(["EACCES", "EROFS", "EPERM", "ENOTDIR", "ENAMETOOLONG"]);

function asTargetFailure(error: unknown, path: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (!CANNOT_WRITE.has(code)) return error;
  return refused(
    `${path} cannot be written (${code})`,
    "Name a place that the daemon's user may write.",
    error,
  );
}
