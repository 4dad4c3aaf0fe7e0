/** Objects that are tags of the registered model. What of them are tags of models, aliases follow. */

import type { ObjectInfo, ObjectVersion } from "@pipekit/adapters/registry";
import type { Aliases } from "./aliases.ts";
import { ENTRY_ROOMS, type Entry } from "./entries.ts";
import type { RegisteredModel } from "./registered-model.ts";

export class EntryStore {
  readonly #model: RegisteredModel;
  readonly #aliases: Aliases;

  constructor(model: RegisteredModel, aliases: Aliases) {
    this.#model = model;
    this.#aliases = aliases;
  }

  async get(key: string, signal: AbortSignal): Promise<Entry | undefined> {
    return (await this.#model.read(signal)).entries.get(key);
  }

  async info(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    return infoOf(key, await this.get(key, signal));
  }

  /** The entries, when some may lie under the prefix. */
  async under(prefix: string, signal: AbortSignal): Promise<ReadonlyMap<string, ObjectInfo>> {
    const infos = new Map<string, ObjectInfo>();
    if (!ENTRY_ROOMS.some((room) => room.startsWith(prefix) || prefix.startsWith(room))) return infos;
    for (const [key, entry] of (await this.#model.read(signal)).entries) {
      const info = infoOf(key, entry);
      if (info !== undefined) infos.set(key, info);
    }
    return infos;
  }

  /** Writes an entry that is at `version`, or, when that is undefined, not there. No other call is at the key. */
  async write(
    key: string,
    bytes: Buffer,
    version: ObjectVersion | undefined,
    signal: AbortSignal,
  ): Promise<ObjectVersion | undefined> {
    if ((await this.get(key, signal))?.version !== version) return undefined;
    const written = await this.#model.write(key, bytes, signal);
    if (written === undefined) return undefined;
    // The tag is written and is the truth; an alias that does not follow is told by `differences`.
    await this.#aliases.follow(key, bytes, signal).catch(() => undefined);
    return written;
  }

  async remove(key: string, signal: AbortSignal): Promise<void> {
    await this.#model.remove(key, signal);
    await this.#aliases.drop(key, signal);
  }
}

function infoOf(key: string, entry: Entry | undefined): ObjectInfo | undefined {
  return entry && { key, size: entry.bytes.length, modifiedAtUs: entry.modifiedAtUs };
}
