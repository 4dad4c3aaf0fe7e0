/** A DVC repository as it stands when a call begins: its settings, cache, ignore files and records. */
import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { type DatasetContext, DatasetFault } from "../dataset.ts";
import { isMissing } from "../file-faults.ts";
import { Cache } from "./cache.ts";
import { type DvcConfig, readConfig } from "./config.ts";
import { findGit, type Git } from "./git.ts";
import { Ignored } from "./ignored.ts";
import { isRecordFile, type RecordedOutput, readRecords } from "./records.ts";

/** What `.dvcignore` begins with (dvc/ignore.py). */
const DEFAULT_LINES = [".hg/", ".git/", ".git", ".dvc/"];

interface Found {
  readonly outputs: readonly RecordedOutput[];
  readonly pipelines: readonly string[];
}

export class Repository {
  /** Real path of its folder. */
  readonly root: string;
  readonly config: DvcConfig;
  readonly cache: Cache;
  readonly context: DatasetContext;
  /** Real path of the folder that the request names: paths in it are relative to that. */
  readonly #named: string;
  /** What data sets leave out. */
  readonly ignored: Ignored;
  /** The Git repository that it is in; undefined for none. */
  readonly git: Git | undefined;
  /** Modes of the files and folders that are made in it: as open as its `.dvc` is, whatever the daemon's umask. */
  readonly fileMode: number;
  readonly folderMode: number;
  #found: Promise<Found> | undefined;

  private constructor(
    root: string,
    named: string,
    config: DvcConfig,
    context: DatasetContext,
    git: Git | undefined,
    mode: number,
  ) {
    this.root = root;
    this.#named = named;
    this.config = config;
    this.context = context;
    this.git = git;
    this.folderMode = mode;
    this.fileMode = mode & 0o666;
    this.cache = new Cache({
      folder: config.cacheFolder,
      folderMode: config.isShared ? 0o2775 : mode,
    });
    this.ignored = new Ignored({ root, fileName: ".dvcignore", lines: DEFAULT_LINES, nestedTree: ".dvc" });
  }

  /** Opens the repository that a folder is, or lies in. Throws DatasetFault. */
  static async open(folder: string, context: DatasetContext): Promise<Repository> {
    if (!isAbsolute(folder)) {
      throw new DatasetFault(
        "invalid",
        `The path of the repository is not absolute: ${folder || "(empty)"}.`,
        {
          field: "repo",
          mend: "Give the absolute path of a folder with `.dvc` in it.",
        },
      );
    }
    const root = await findRoot(folder);
    const dvcFolder = join(root, ".dvc");
    const [config, { mode }] = await Promise.all([
      readConfig(dvcFolder, context.env, context.home),
      stat(dvcFolder),
    ]);
    const git = config.hasNoScm ? undefined : findGit(root);
    return new Repository(root, await realpath(folder), config, context, git, (mode & 0o777) | 0o700);
  }

  get dvcFolder(): string {
    return join(this.root, ".dvc");
  }

  /** An absolute path of what a request names. */
  resolve(path: string): string {
    return resolve(this.#named, path);
  }

  /** A path as it is told: relative to the root with forward slashes; absolute when it lies outside. */
  show(path: string): string {
    return this.contains(path) ? relative(this.root, path) || "." : path;
  }

  /** Whether an absolute path is the root or lies below it. */
  contains(path: string): boolean {
    return path === this.root || path.startsWith(this.root + sep);
  }

  /** All recorded outputs; read once. Throws DatasetFault `corrupt`. */
  async records(): Promise<readonly RecordedOutput[]> {
    this.#found ??= this.#collect();
    return (await this.#found).outputs;
  }

  /** Absolute paths of all dvc.yaml. */
  async pipelines(): Promise<readonly string[]> {
    this.#found ??= this.#collect();
    return (await this.#found).pipelines;
  }

  async #collect(): Promise<Found> {
    const outputs: RecordedOutput[] = [];
    const pipelines: string[] = [];
    const data = new Set<string>();
    const visit = async (folder: string): Promise<void> => {
      const entries = await entriesOf(folder);
      for (const entry of entries) {
        const path = join(folder, entry.name);
        const isPipeline = entry.name === "dvc.yaml";
        if (!entry.isFile() || !(isPipeline || isRecordFile(entry.name))) continue;
        if (this.#isPassedOver(path, false)) continue;
        if (isPipeline) {
          pipelines.push(path);
          continue;
        }
        for (const output of await readRecords(path)) {
          data.add(output.path);
          outputs.push(output);
        }
      }
      for (const entry of entries) {
        const path = join(folder, entry.name);
        if (entry.isDirectory() && !data.has(path) && !this.#isPassedOver(path, true)) await visit(path);
      }
    };
    await visit(this.root);
    return { outputs, pipelines };
  }

  /** DVC looks for its files neither where it ignores nor where Git does. */
  #isPassedOver(path: string, isFolder: boolean): boolean {
    return this.ignored.has(path, isFolder) || this.git?.ignores(path, isFolder) === true;
  }
}

/** None of a folder that may not be read: as DVC's, a search passes it over. */
async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EACCES") return [];
    throw error;
  }
}

async function findRoot(folder: string): Promise<string> {
  let real: string;
  try {
    real = await realpath(folder);
  } catch (cause) {
    throw noRepository(folder, cause);
  }
  for (let root = real; ; root = dirname(root)) {
    if (await isFolder(join(root, ".dvc"))) return root;
    if (root === dirname(root)) throw noRepository(folder);
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function noRepository(folder: string, cause?: unknown): DatasetFault {
  return new DatasetFault("invalid", `${folder} is no DVC repository and lies in none.`, {
    field: "repo",
    mend: "Run `dvc init` in the folder, or name another one.",
    cause,
  });
}
