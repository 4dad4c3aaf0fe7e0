/**
 * Makes a backup beside its name, and gives it the name when it is whole and durable. A kill leaves a folder or file with
 * `.making` behind its name, which the next backup of that name removes.
 */
import { lstat, mkdir, readFile, realpath, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, resolve, sep } from "node:path";
import { isFull } from "@pipekit/adapters/file-faults";
import { syncFolder } from "@pipekit/adapters/files";
import { type BackupMade, type BackupRequest, PipekitError, Progress } from "@pipekit/proto";
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

export type OnProgress = (progress: Progress) => void;

/** Throws INVALID_ARGUMENT, STORAGE_FULL, CORRUPT_JOURNAL and the signal's reason; then nothing is left. */
export async function makeBackup(
  source: BackupSource,
  request: BackupRequest,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<BackupMade> {
  const path = await checkedTarget(request.path, source.stateFolder);
  const folder = path + MAKING;
  const links = join(source.stateFolder, LINKS);
  try {
    for (const left of [folder, links]) await rm(left, { recursive: true, force: true });
    for (const made of [folder, links]) await mkdir(made, { mode: 0o700 });
    const making = new Making(source, folder, onProgress, signal);
    const made = await making.make(path, request.includeConfig);
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
      onProgress(Progress.fromPartial({ phase: "files", ...done }));
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
    // A tar holds copies, whatever it was packed from.
    const linkedFiles = path.endsWith(TAR) ? 0 : linked;
    return { path, files, bytes, linkedFiles, runs, points, leftOut: left_out, notes, digest };
  }

  async #journal() {
    const file = join(this.#source.stateFolder, JOURNAL);
    const bytesTotal = (await sizeOf(file)) + (await sizeOf(`${file}-wal`));
    const look = async () => {
      const bytesDone = await sizeOf(join(this.#folder, JOURNAL));
      this.#onProgress(Progress.fromPartial({ phase: "journal", bytesDone, bytesTotal }));
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
    const text = await readFile(configFile).catch((error: NodeJS.ErrnoException) => {
      const what = error.code === "ENOENT" ? "There is no config file" : "The config file cannot be read:";
      this.#gathering.notes.push(`${what} ${configFile}.`);
    });
    if (text !== undefined) await this.#packing.write(CONFIG, text);
  }
}

/** The path without what means nothing in it. Throws INVALID_ARGUMENT. */
async function checkedTarget(given: string, stateFolder: string): Promise<string> {
  const path = resolve(await checkClientPath(given, false, "", "path"));
  const parent = await realpath(dirname(path)).catch((cause: unknown) => {
    throw refused(`There is no folder ${dirname(path)}`, "Make it first.", cause);
  });
  const state = await realpath(stateFolder);
  if (parent === state || parent.startsWith(state + sep)) {
    throw refused(`${path} lies in the state folder`, "Write it to another place, best on another disk.");
  }
  // Never replaced: an old backup is better than half of a new one.
  const there = await lstat(path).catch(() => undefined);
  if (there !== undefined) throw refused(`${path} is there already`, "Give a new name.");
  // The next backup of the name without it would remove it.
  if (path.endsWith(MAKING))
    throw refused(`A name that ends in ${MAKING} is none of a backup`, "Give another.");
  return path;
}

function refused(what: string, mend: string, cause?: unknown): PipekitError {
  return new PipekitError("INVALID_ARGUMENT", `${what}.`, { field: "path", mend, cause });
}

const CANNOT_WRITE: ReadonlySet<unknown> = new Set(["EACCES", "EROFS", "EPERM", "ENOTDIR", "ENAMETOOLONG"]);

function asTargetFailure(error: unknown, path: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  // By the system, or by the thread that copies the journal.
  if (isFull(error) || code === "STORAGE_FULL") {
    return new PipekitError("STORAGE_FULL", `There is no room for the backup ${path}.`, {
      field: "path",
      mend: "Write it to another disk, or free space there. The journal goes on.",
      cause: error,
    });
  }
  if (!CANNOT_WRITE.has(code)) return error;
  return refused(
    `${path} cannot be written (${code})`,
    "Name a place that the daemon's user may write.",
    error,
  );
}
