/** Objects that are files. With a model's metadata.json comes its version, and with it that goes. */

import type { ObjectInfo, ObjectVersion, StoredObject } from "@pipekit/adapters/registry";
import type { Files, Listed } from "./files.ts";
import { filesUnder, splitPrefix } from "./listing.ts";
import type { Versions } from "./versions.ts";

const METADATA = /^([0-9a-f]{64})\/metadata\.json$/;
const MODEL_FOLDER = /^([0-9a-f]{64})\/$/;

export class FileStore {
  readonly #files: Files;
  readonly #versions: Versions;

  constructor(files: Files, versions: Versions) {
    this.#files = files;
    this.#versions = versions;
  }

  async get(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    const found = await this.#files.get(key, signal);
    const hash = METADATA.exec(key)?.[1];
    if (found !== undefined && hash !== undefined && !this.#versions.isKnown(hash)) {
      // Its maker may have died before it made the version. Who may only read can do nothing about it.
      await this.#versions.ensure(hash, found.bytes, signal).catch(() => signal.throwIfAborted());
    }
    return found;
  }

  async info(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    const { folder, partial } = splitPrefix(key);
    const beside = await this.#files.list(folder, signal);
    const size = beside.find(({ name }) => name === partial)?.size;
    if (size === undefined) return undefined;
    return { key, size, modifiedAtUs: await this.#writtenAtUs(folder, beside, signal) };
  }

  /** Keys of files under a prefix, byte order. */
  async keys(prefix: string, after: string, limit: number, signal: AbortSignal): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of filesUnder(this.#files, prefix, after, signal)) {
      if (keys.length >= limit) break;
      keys.push(key);
    }
    return keys;
  }

  /** Folders directly under a prefix, each ending in `/`. */
  async folders(prefix: string, after: string, signal: AbortSignal): Promise<string[]> {
    const { folder, partial } = splitPrefix(prefix);
    const goesOn = folder === "" && after !== "";
    return (goesOn ? await this.#files.recentRoot(signal) : await this.#files.list(folder, signal))
      .filter(({ name, size }) => size === undefined && name.startsWith(partial))
      .map(({ name }) => `${folder}${name}/`);
  }

  /** The same as `keys` with what is known of each. */
  async scan(prefix: string, after: string, limit: number, signal: AbortSignal): Promise<ObjectInfo[]> {
    const infos: ObjectInfo[] = [];
    const times = new Map<readonly Listed[], Promise<number>>();
    for await (const { key, size, beside } of filesUnder(this.#files, prefix, after, signal)) {
      if (infos.length >= limit) break;
      const time = times.get(beside) ?? this.#writtenAtUs(splitPrefix(key).folder, beside, signal);
      times.set(beside, time);
      infos.push({ key, size, modifiedAtUs: await time });
    }
    return infos;
  }

  /** Writes a file that is at `version`, or, when that is undefined, not there. No other call is at the key. */
  async write(
    key: string,
    bytes: Buffer,
    version: ObjectVersion | undefined,
    signal: AbortSignal,
  ): Promise<ObjectVersion | undefined> {
    if ((await this.#files.get(key, signal))?.version !== version) return undefined;
    await this.#files.put(key, bytes, signal);
    const now = await this.#files.get(key, signal);
    if (!now?.bytes.equals(bytes)) return undefined;
    const hash = METADATA.exec(key)?.[1];
    if (hash !== undefined) {
      // It was removed with its files, perhaps by another backend of the registry.
      this.#versions.forget(hash);
      await this.#versions.ensure(hash, bytes, signal);
    }
    return now.version;
  }

  async remove(key: string, signal: AbortSignal): Promise<void> {
    await this.#files.delete(key, signal);
    const hash = METADATA.exec(key)?.[1];
    if (hash !== undefined) await this.#versions.remove(hash, signal);
    const { folder } = splitPrefix(key);
    if (!MODEL_FOLDER.test(folder)) return;
    // A store of files keeps the empty folder, which would look like a model's remains for ever.
    if ((await this.#files.list(folder, signal)).length === 0) {
      await this.#files.delete(folder.slice(0, -1), signal);
    }
  }

  /**
   * When a folder was written to. Its smallest file tells it, since some stores read a whole file to look at it. Old
   * servers (2.17 is one) tell nothing of files; of a model its version does, which comes after its last file. Else it is
   * now: what has no age is not old.
   */
  async #writtenAtUs(folder: string, beside: readonly Listed[], signal: AbortSignal): Promise<number> {
    const files = beside.filter(({ size }) => size !== undefined);
    const [smallest] = files.toSorted((a, b) => (a.size ?? 0) - (b.size ?? 0));
    const told = smallest && (await this.#files.writtenAtUs(folder + smallest.name, signal));
    if (told !== undefined) return told;
    const hash = beside.some(({ name }) => name === "metadata.json") && MODEL_FOLDER.exec(folder)?.[1];
    const versionMs = hash ? await this.#versions.writtenAtMs(hash, signal) : undefined;
    return versionMs ? versionMs * 1000 : Date.now() * 1000;
  }
}
