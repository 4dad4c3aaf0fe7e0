/**
 * Aliases follow tags: `models:/NAME@production` is what the tag `production` points to.
 *
 * The tag is the truth. An alias is set after it, so a crash between the two leaves an alias behind, as does a person
 * who moves it in MLflow's UI; `differences` tells of both, and the tag's next move sets it right.
 */

import type { Files } from "./files.ts";
import type { RegisteredModel } from "./registered-model.ts";
import type { Versions } from "./versions.ts";

/** The alias of a tag's key; undefined for other keys, and for names that MLflow takes for no alias. */
export function aliasOf(key: string): string | undefined {
  const name = /^_tags\/(.+)\.txt$/.exec(key)?.[1];
  if (name === undefined || !/^[\w-]{1,255}$/.test(name)) return undefined;
  return /^(?:latest|v\d+)$/i.test(name) ? undefined : name;
}

/** The hash on line 1 of a tag; empty when the tag was deleted. */
export function hashOfTag(bytes: Buffer): string {
  return /^[0-9a-f]{64}(?=\n)/.exec(bytes.toString("latin1"))?.[0] ?? "";
}

export class Aliases {
  readonly #model: RegisteredModel;
  readonly #versions: Versions;
  readonly #files: Files;

  constructor(model: RegisteredModel, versions: Versions, files: Files) {
    this.#model = model;
    this.#versions = versions;
    this.#files = files;
  }

  /** Sets or removes the alias of a tag that was written. */
  async follow(key: string, bytes: Buffer, signal: AbortSignal): Promise<void> {
    const alias = aliasOf(key);
    if (alias === undefined) return;
    const hash = hashOfTag(bytes);
    if (hash === "") return await this.#model.removeAlias(alias, signal);
    const known = this.#versions.isKnown(hash);
    const version = await this.#version(hash, signal);
    if (version === undefined) return;
    try {
      await this.#model.setAlias(alias, version, signal);
    } catch (error) {
      // A version that was seen may have been deleted in MLflow's UI since.
      if (!known) throw error;
      this.#versions.forget(hash);
      const again = await this.#version(hash, signal);
      if (again !== undefined) await this.#model.setAlias(alias, again, signal);
    }
  }

  /** Removes the alias of a tag that was removed. */
  async drop(key: string, signal: AbortSignal): Promise<void> {
    const alias = aliasOf(key);
    if (alias !== undefined) await this.#model.removeAlias(alias, signal);
  }

  async #version(hash: string, signal: AbortSignal): Promise<string | undefined> {
    const found = await this.#versions.numberOf(hash, signal);
    if (found !== undefined) return found;
    const metadata = await this.#files.get(`${hash}/metadata.json`, signal);
    return metadata && (await this.#versions.ensure(hash, metadata.bytes, signal));
  }
}
