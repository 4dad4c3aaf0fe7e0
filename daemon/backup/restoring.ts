/**
 * Restores a backup into a folder that holds nothing: everything is written to `restoring/` in it and checked there, and
 * only then gets its place. As long as `restoring/` is there, no daemon starts, and a restore begins anew.
 */
import { chmod, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { isFull, unlessMissing } from "@pipekit/adapters/file-faults";
import { syncFolder, writeDurably } from "@pipekit/adapters/files";
import { PipekitError } from "@pipekit/proto";
import { type Checked, checkBackup } from "./checking.ts";
import { CONFIG, corrupt, FOLDERS, JOURNAL } from "./form.ts";
import type { Manifest } from "./manifest.ts";
import { RESTORED, RESTORING, type Restored } from "./marks.ts";
import { NewFolders } from "./tree.ts";

/** What may lie in a folder that holds nothing. */
const NOTHING = /^(?:daemon\.lock.*|lost\+found)$/;
/** Never changed once they have their names. */
const READ_ONLY = /^(?:content|models)\//;

export interface RestoreOptions {
  /** Absolute path of the backup. */
  readonly backup: string;
  /** Absolute path of the folder, which exists and whose lock is held. */
  readonly stateFolder: string;
  /** Whether its daemon shall deliver to the trackers. */
  readonly delivers: boolean;
  readonly onChecked: (checked: Checked) => void;
  /** Called when all is checked and nothing has its place; throws when it shall not get it. */
  readonly decide: (manifest: Manifest) => void | Promise<void>;
}

/** Throws CORRUPT_BACKUP, FORMAT_TOO_NEW, INVALID_ARGUMENT, STORAGE_FULL; then the folder holds nothing. */
export async function restoreBackup(options: RestoreOptions, signal: AbortSignal): Promise<Manifest> {
  const { backup, stateFolder, delivers, onChecked, decide } = options;
  await makeRoom(stateFolder);
  const restoring = join(stateFolder, RESTORING);
  const folders = new NewFolders(restoring, 0o700);
  await mkdir(restoring, { mode: 0o700 });
  await syncFolder(stateFolder);
  const targetOf = async (path: string): Promise<string> => {
    const target = join(restoring, path);
    await folders.makeFor(target);
    return target;
  };
  let manifest: Manifest;
  try {
    manifest = await checkBackup(backup, targetOf, onChecked, signal);
    await decide(manifest);
  } catch (error) {
    await rm(restoring, { recursive: true, force: true });
    throw asRestoreFailure(error, backup, stateFolder);
  }
  await closeFiles(restoring);
  await folders.sync();
  await putInPlace(restoring, stateFolder, markOf(manifest, delivers));
  return manifest;
}

/** Names that no file system has together, or at all, are no fault of the disk. */
const IMPOSSIBLE: ReadonlySet<unknown> = new Set(["EEXIST", "EISDIR", "ENOTDIR", "ENAMETOOLONG"]);

function asRestoreFailure(error: unknown, backup: string, stateFolder: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (IMPOSSIBLE.has(code)) return corrupt(backup, "", `has a path that no folder can hold (${code})`, error);
  if (!isFull(error)) return error;
  return new PipekitError("STORAGE_FULL", `There is no room in ${stateFolder} for the backup.`, {
    field: stateFolder,
    mend: "Free space there, or restore into a folder on another disk.",
    cause: error,
  });
}

/** Throws INVALID_ARGUMENT unless the folder holds nothing, or a restore that was broken off. */
async function makeRoom(stateFolder: string): Promise<void> {
  const names = (await readdir(stateFolder)).filter((name) => !NOTHING.test(name));
  if (names.includes(RESTORING)) {
    // First what it had put in place, so that the sign of it stays until all is gone.
    for (const name of [...FOLDERS, JOURNAL, CONFIG, RESTORED, RESTORING])
      await rm(join(stateFolder, name), { recursive: true, force: true });
  } else if (names.length > 0) {
    throw new PipekitError("INVALID_ARGUMENT", `${stateFolder} is not empty: it holds ${names[0]}.`, {
      field: stateFolder,
      mend: "Restore into a new folder, or move what is there away first.",
    });
  }
}

async function closeFiles(restoring: string): Promise<void> {
  for (const entry of await readdir(restoring, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const relative = path.slice(restoring.length + 1);
    if (entry.isFile()) await chmod(path, READ_ONLY.test(relative) ? 0o400 : 0o600);
  }
}

function markOf(manifest: Manifest, delivers: boolean): Restored {
  const { at_us, digest, origin } = manifest;
  // A clock that was set back must not make frames of before the backup look younger than the restore.
  return {
    ...{ at_us: Math.max(Date.now() * 1000, at_us), backup_at_us: at_us, backup: digest },
    ...{ delivers, origin },
  };
}

async function putInPlace(restoring: string, stateFolder: string, mark: Restored): Promise<void> {
  for (const name of [...FOLDERS, CONFIG, JOURNAL]) {
    await rename(join(restoring, name), join(stateFolder, name)).catch(unlessMissing);
  }
  await writeDurably(join(stateFolder, RESTORED), Buffer.from(`${JSON.stringify(mark, null, 2)}\n`));
  await syncFolder(stateFolder);
  await rm(restoring, { recursive: true });
  await syncFolder(stateFolder);
}
