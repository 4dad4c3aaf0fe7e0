/**
 * The locks that DVC takes, so that it and the daemon never write at once (dvc/lock.py, dvc/rwlock.py): the repository's,
 * `.dvc/tmp/lock`, and in `.dvc/tmp/rwlock` the paths that are being written, which a running stage keeps while the
 * repository's lock is free.
 */
import { chmod, type FileHandle, mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { DatasetFault } from "../dataset.ts";
import { KeyedMutex } from "../keyed-mutex.ts";
import { openLocked } from "./flock.ts";
import { TEMP_PREFIX } from "./links.ts";
import type { Repository } from "./repository.ts";
import { readClaims, writeClaims } from "./rwlock.ts";

/** How long DVC waits for a lock, and how often it tries meanwhile. */
const PATIENCE_MS = 3000;
const TRIES = 6;

/** Calls of this process queue by the repository's root; at the lock they would try now and then, and give up. */
const own = new KeyedMutex();

/**
 * Runs `work` alone among all processes that work on the repository, with `paths` (absolute) claimed for writing. Throws
 * DatasetFault `locked` that names the process that is in the way.
 */
export async function withLock<T>(
  repository: Repository,
  paths: readonly string[],
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  if (repository.config.hasHardlinkLock) {
    throw new DatasetFault(
      "invalid",
      "The repository uses locks made by hard links, which the daemon does not keep.",
      {
        field: "core.hardlink_lock",
        mend: "Remove core.hardlink_lock from DVC's settings where the file system has flock(2).",
      },
    );
  }
  return own.run(repository.root, async () => {
    signal.throwIfAborted();
    const folder = join(repository.dvcFolder, "tmp");
    if ((await mkdir(folder, { recursive: true })) !== undefined) await chmod(folder, repository.folderMode);
    const lock = await acquire(repository, join(folder, "lock"), signal);
    try {
      await claim(repository, folder, paths, signal);
      try {
        await sweep(folder);
        return await work();
      } finally {
        await release(repository, folder, paths);
      }
    } finally {
      await lock.close();
    }
  });
}

/** Removes what calls that were killed have left: none but the lock's holder makes such files. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(TEMP_PREFIX)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function acquire(repository: Repository, path: string, signal: AbortSignal): Promise<FileHandle> {
  for (let attempt = 0; ; attempt++) {
    const isNew = await stat(path).then(
      () => false,
      () => true,
    );
    const file = await openLocked(path, repository.fileMode);
    if (file !== undefined) {
      // Ours is the daemon's umask, and others must be able to take the lock too.
      if (isNew) await file.chmod(repository.fileMode);
      const content = Buffer.from(` ${process.pid}\n`);
      await file.write(content, 0, content.length, 0);
      await file.truncate(content.length);
      return file;
    }
    if (attempt >= TRIES) throw await locked(path);
    await setTimeout(PATIENCE_MS / TRIES, undefined, { signal });
  }
}

async function locked(path: string): Promise<DatasetFault> {
  const pid = (await readFile(path, "utf8").catch(() => "")).trim();
  return new DatasetFault("locked", `The process ${pid || "(unknown)"} works on the DVC repository.`, {
    field: path,
    mend: `Wait until it ends, then try again${pid === "" ? "" : `; \`ps -p ${pid}\` shows it`}.`,
  });
}

async function claim(
  repository: Repository,
  folder: string,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  await guarded(repository, folder, signal, async () => {
    const claims = await readClaims(folder);
    const blocker = claims.blocker(paths);
    if (blocker !== undefined) {
      throw new DatasetFault(
        "locked",
        `${blocker.path} is being used by the process ${blocker.pid}: ${blocker.command}.`,
        { field: blocker.path, mend: "Wait until it ends, then try again." },
      );
    }
    if (paths.length > 0) await writeClaims(folder, claims.with(paths), repository.fileMode);
  });
}

async function release(repository: Repository, folder: string, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return;
  await guarded(repository, folder, undefined, async () => {
    await writeClaims(folder, (await readClaims(folder)).without(paths), repository.fileMode);
  });
}

async function guarded(
  repository: Repository,
  folder: string,
  signal: AbortSignal | undefined,
  edit: () => Promise<void>,
): Promise<void> {
  const guard = await acquire(
    repository,
    join(folder, "rwlock.lock"),
    signal ?? new AbortController().signal,
  );
  try {
    await edit();
  } finally {
    await guard.close();
  }
}
