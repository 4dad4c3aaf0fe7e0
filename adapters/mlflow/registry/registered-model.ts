/** One registered model: its tags that are ours, and its aliases. One GET reads them all. */

import { z } from "zod";
import { decodeEntry, type Entry, encodeEntry, keyOfTag, tagKeyOf } from "./entries.ts";
import { modelGone } from "./failures.ts";
import type { Server } from "./server.ts";

/** A registered model as one GET shows it. */
export interface Shown {
  readonly entries: ReadonlyMap<string, Entry>;
  /** Alias to version. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Tags as they are, also those that are not ours. */
  readonly tags: ReadonlyMap<string, string>;
}

const Empty = z.looseObject({});
const Pair = z.object({ key: z.string(), value: z.string().default("") });
const Model = z.object({
  registered_model: z.object({
    tags: z.array(Pair).default([]),
    aliases: z.array(z.object({ alias: z.string(), version: z.coerce.string() })).default([]),
  }),
});

/** A registered model's tags and aliases, if there is one. */
export async function findModel(
  server: Server,
  name: string,
  signal: AbortSignal,
): Promise<Shown | undefined> {
  const found = await server.find(
    () => server.api.get("registered-models/get", { name }, Model, signal),
    signal,
  );
  if (found === undefined) return undefined;
  const { tags, aliases } = found.registered_model;
  const entries = new Map<string, Entry>();
  for (const { key, value } of tags) {
    const ours = keyOfTag(key);
    const entry = ours === undefined ? undefined : decodeEntry(value);
    if (ours !== undefined && entry !== undefined) entries.set(ours, entry);
  }
  return {
    entries,
    aliases: new Map(aliases.map(({ alias, version }) => [alias, version])),
    tags: new Map(tags.map(({ key, value }) => [key, value])),
  };
}

export class RegisteredModel {
  readonly name: string;
  readonly #server: Server;

  constructor(server: Server, name: string) {
    this.#server = server;
    this.name = name;
  }

  /** Throws BackendRefused when it is gone. */
  async read(signal: AbortSignal): Promise<Shown> {
    const shown = await findModel(this.#server, this.name, signal);
    if (shown === undefined) throw modelGone(this.name);
    return shown;
  }

  /**
   * Writes an entry, then reads it again; undefined when somebody else has written after us. MLflow compares nothing:
   * the caller has looked before, and no other call of this process is at this key.
   */
  async write(key: string, bytes: Buffer, signal: AbortSignal): Promise<string | undefined> {
    const { value, version } = encodeEntry(key, bytes);
    const body = { name: this.name, key: tagKeyOf(key), value };
    await this.#server.post("registered-models/set-tag", body, Empty, signal);
    return (await this.read(signal)).entries.get(key)?.version === version ? version : undefined;
  }

  async remove(key: string, signal: AbortSignal): Promise<void> {
    const body = { name: this.name, key: tagKeyOf(key) };
    await this.#server.delete("registered-models/delete-tag", body, signal);
  }

  async setAlias(alias: string, version: string, signal: AbortSignal): Promise<void> {
    await this.#server.post("registered-models/alias", { name: this.name, alias, version }, Empty, signal);
  }

  async removeAlias(alias: string, signal: AbortSignal): Promise<void> {
    await this.#server.delete("registered-models/alias", { name: this.name, alias }, signal);
  }
}
