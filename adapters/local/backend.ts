/**
 * Models in a folder, shared by any number of processes.
 *
 * Every object is a file that is written under `_tmp/`, made durable there and then given its name by link() (create,
 * publish) or rename() (replace): nobody ever sees a part of one, and no file is changed once it has a name.
 *
 * Architecture Invariant: replace and remove run under the folder's lock; create needs none, since link() is atomic and
 * never replaces. The file system must have hard links.
 */
import { createHash, randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { chmod, link, open, rename, rm, rmdir, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { unlessMissing } from "../file-faults.ts";
import { copyHashed, type Digest, hashAndSync, syncFolder, writeDurably, writeHashed } from "../files.ts";
import { folderMode, makeFolder } from "../new-folder.ts";
import { oldFiles } from "../old-files.ts";
import {
  type BlobSource,
  type Litter,
  type ObjectInfo,
  ObjectMissing,
  ObjectTooLarge,
  type ObjectVersion,
  type OnBytes,
  type PendingBlob,
  type RegistryBackend,
  type StoredObject,
} from "../registry.ts";
import { asDenied } from "./denied.ts";
import { foldersUnder, keysUnder } from "./listing.ts";
import { FolderLock } from "./lock.ts";
import { readChunks, readExactly } from "./read.ts";
import { Walks } from "./walks.ts";
import { watchFile } from "./watch.ts";

export const TEMP_FOLDER = "_tmp";
/** Names of what is in it. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
export const LOCK_FILE = "_lock.sqlite";
/** What SQLite may put beside the lock is hidden as well. */
const HIDDEN: ReadonlySet<string> = new Set([TEMP_FOLDER, LOCK_FILE, `${LOCK_FILE}-journal`]);
/** Tries to give a file a name in a folder that is being removed. */
const MAX_ATTEMPTS = 10;
const MAX_SMALL_BYTES = 16 * 1024 * 1024;
/** A pipe that lies where an object belongs must not hold up who opens it. */
const READING = constants.O_RDONLY | constants.O_NONBLOCK;

export class LocalBackend implements RegistryBackend {
  readonly spec: string;
  /** The lock and link() order the writers of all hosts; files carry the time of the host that wrote them. */
  readonly properties = { atomic: true, serverClock: false };
  readonly #root: string;
  /** Mode of objects: read-only, for whom the root is readable. */
  readonly #mode: number;
  readonly #folderMode: number;
  readonly #lock: FolderLock;
  readonly #walks = new Walks();

  /** `root` and the folder for temporary files in it exist. */
  constructor(spec: string, root: string, rootMode: number) {
    this.spec = spec;
    this.#root = root;
    this.#mode = 0o400 | (rootMode & 0o044);
    this.#folderMode = folderMode(rootMode);
    this.#lock = new FolderLock(join(root, LOCK_FILE), 0o600 | (rootMode & 0o066));
  }

  async get(key: string, _signal: AbortSignal): Promise<StoredObject | undefined> {
    return (await this.#read(key))?.object;
  }

  async create(key: string, bytes: Buffer, signal: AbortSignal): Promise<ObjectVersion | undefined> {
    signal.throwIfAborted();
    const path = this.#path(key);
    return this.#withTemp(bytes, async (temp) => {
      const version = await versionOf(temp, bytes);
      return (await linkNew(temp, path, this.#folderMode)) ? version : undefined;
    });
  }

  async replace(
    key: string,
    bytes: Buffer,
    version: ObjectVersion,
    signal: AbortSignal,
  ): Promise<ObjectVersion | undefined> {
    const path = this.#path(key);
    return this.#withTemp(bytes, (temp) =>
      this.#lock.hold(async () => {
        const current = await this.#read(key);
        if (current?.object.version !== version) return undefined;
        await makeLater(temp, current.mtimeNs);
        const next = await versionOf(temp, bytes);
        await rename(temp, path);
        await syncFolder(dirname(path));
        return next;
      }, signal),
    );
  }

  async remove(key: string, signal: AbortSignal): Promise<void> {
    const path = this.#path(key);
    const folder = dirname(path);
    const removal = this.#lock.hold(async () => {
      await rm(path, { force: true });
      // The registry's own folders stay: they are few, and some are watched.
      const mayGo = key.includes("/") && !key.startsWith("_");
      const gone = mayGo && (await isRemoved(folder));
      await syncFolder(gone ? dirname(folder) : folder).catch(unlessMissing);
    }, signal);
    await removal.catch(this.#refused);
  }

  /** Another name of the same file: objects are never changed in place. */
  async copy(from: string, to: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const path = this.#path(to);
    try {
      await linkNew(this.#path(from), path, this.#folderMode);
      return true;
    } catch (error) {
      unlessMissing(error);
      return false;
    }
  }

  async info(key: string, _signal: AbortSignal): Promise<ObjectInfo | undefined> {
    try {
      const found = await stat(this.#path(key));
      if (!found.isFile()) return undefined;
      const { size, mtimeMs } = found;
      return { key, size, modifiedAtUs: Math.round(mtimeMs * 1000) };
    } catch (error) {
      return unlessMissing(error);
    }
  }

  async list(
    prefix: string,
    options: { readonly after?: string; readonly limit: number; readonly folders?: boolean },
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const { after = "", limit, folders = false } = options;
    const walk = folders ? foldersUnder : keysUnder;
    const begin = () => walk(this.#root, prefix, after, HIDDEN);
    return this.#walks.page(`${walk.name} ${prefix}`, after, limit, begin, signal);
  }

  async scan(
    prefix: string,
    options: { readonly after?: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<readonly ObjectInfo[]> {
    for (let after = options.after; ; ) {
      const keys = await this.list(prefix, { ...options, ...(after !== undefined && { after }) }, signal);
      // What was removed since it was listed is left out; but only behind the last object the answer is empty.
      const found = await Promise.all(keys.map((key) => this.info(key, signal)));
      const infos = found.filter((info) => info !== undefined);
      if (infos.length > 0 || keys.length < options.limit) return infos;
      after = keys.at(-1);
    }
  }

  litter(
    options: { readonly olderThanMs: number; readonly remove: boolean },
    signal: AbortSignal,
  ): AsyncGenerator<Litter> {
    // Whoever opens a wrong folder as a registry must not lose what another program keeps under this name.
    return oldFiles(join(this.#root, TEMP_FOLDER), (name) => UUID.test(name), options, signal);
  }

  async receive(source: BlobSource, signal: AbortSignal, onBytes?: OnBytes): Promise<PendingBlob> {
    const temp = this.#tempPath();
    const digest = await this.#receiveInto(temp, source, signal, onBytes).catch(this.#refused);
    const publish = async (key: string, publishing: AbortSignal): Promise<boolean> => {
      publishing.throwIfAborted();
      const path = this.#path(key);
      await chmod(temp, this.#mode);
      const created = await linkNew(temp, path, this.#folderMode);
      await rm(temp, { force: true });
      return created;
    };
    return { ...digest, publish, discard: () => rm(temp, { force: true }) };
  }

  read(key: string, offset: number, signal: AbortSignal): AsyncIterable<Buffer> {
    return readChunks(this.#path(key), offset, signal, () => new ObjectMissing(key));
  }

  localPath(key: string): string {
    return this.#path(key);
  }

  watch(key: string, changed: () => void): () => void {
    return watchFile(this.#path(key), this.#folderMode, changed);
  }

  async #receiveInto(
    temp: string,
    source: BlobSource,
    signal: AbortSignal,
    onBytes?: OnBytes,
  ): Promise<Digest> {
    if (source.kind === "stream") return writeHashed(source.chunks, temp, signal);
    if (source.kind === "file") return copyHashed(source.path, temp, signal, onBytes);
    // Hashed where it lies, so that a cancelled call leaves the file to its owner.
    const before = await stat(source.path).catch(() => undefined);
    const digest = await hashAndSync(source.path, signal, onBytes);
    if (before === undefined || before.dev !== (await stat(this.#root)).dev) {
      const copied = await copyHashed(source.path, temp, signal, onBytes);
      await rm(source.path, { force: true });
      return copied;
    }
    await rename(source.path, temp);
    const after = await stat(temp);
    if (after.ino !== before.ino || after.mtimeMs !== before.mtimeMs || after.size !== digest.size) {
      await rm(temp, { force: true });
      throw new Error(`The staged file ${source.path} was changed while it was taken.`);
    }
    return digest;
  }

  async #read(key: string): Promise<{ object: StoredObject; mtimeNs: bigint } | undefined> {
    let handle: Awaited<ReturnType<typeof open>>;
    try {
      handle = await open(this.#path(key), READING);
    } catch (error) {
      return unlessMissing(error);
    }
    try {
      const found = await handle.stat({ bigint: true });
      // A folder or a device is no object.
      if (!found.isFile()) return undefined;
      const { size, ino, mtimeNs } = found;
      if (size > MAX_SMALL_BYTES) throw new ObjectTooLarge(key);
      const bytes = await readExactly(handle, 0, Number(size));
      return { object: { bytes, version: versionText(bytes, ino, mtimeNs) }, mtimeNs };
    } finally {
      await handle.close();
    }
  }

  async #withTemp<T>(bytes: Buffer, use: (temp: string) => Promise<T>): Promise<T> {
    const temp = this.#tempPath();
    try {
      await writeDurably(temp, bytes);
      await chmod(temp, this.#mode);
      return await use(temp);
    } catch (error) {
      throw asDenied(error, this.#root);
    } finally {
      await rm(temp, { force: true });
    }
  }

  readonly #refused = (error: unknown): never => {
    throw asDenied(error, this.#root);
  };

  #tempPath(): string {
    return join(this.#root, TEMP_FOLDER, randomUUID());
  }

  #path(key: string): string {
    if (key.split("/").some((part) => part === "" || part === "." || part === "..") || HIDDEN.has(key)) {
      throw new Error(`\`${key}\` is no key of an object.`);
    }
    return join(this.#root, key);
  }
}

/** Gives `temp` the name `path` as well, durably, unless that name is taken. `mode` is that of folders. */
async function linkNew(temp: string, path: string, mode: number): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    await makeFolder(dirname(path), mode);
    try {
      await link(temp, path);
      break;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "EEXIST") return false;
      // Whoever has removed the last object of the folder removes the folder.
      if (code !== "ENOENT" || attempt === MAX_ATTEMPTS) throw error;
    }
  }
  await syncFolder(dirname(path));
  return true;
}

/** Whether the folder was empty, and is gone. */
async function isRemoved(folder: string): Promise<boolean> {
  try {
    await rmdir(folder);
    return true;
  } catch {
    return false;
  }
}

async function versionOf(path: string, bytes: Buffer): Promise<ObjectVersion> {
  const { ino, mtimeNs } = await stat(path, { bigint: true });
  return versionText(bytes, ino, mtimeNs);
}

/** Inodes are used again and clocks tick coarsely: content, inode and a time that only grows are one version together. */
function versionText(bytes: Buffer, ino: bigint, mtimeNs: bigint): ObjectVersion {
  return `${createHash("sha256").update(bytes).digest("hex").slice(0, 32)}-${ino}-${mtimeNs}`;
}

/** Moves a file's time of writing behind that of the file it replaces. */
async function makeLater(path: string, thanNs: bigint): Promise<void> {
  const { mtimeNs } = await stat(path, { bigint: true });
  if (mtimeNs > thanNs) return;
  const seconds = Number(thanNs / 1_000_000n + 2n) / 1000;
  await utimes(path, seconds, seconds);
}
