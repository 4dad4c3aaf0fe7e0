/**
 * The versions of the registered model, one for each hash.
 *
 * A version is how MLflow shows a model; the model itself is its files. So a version is made after metadata.json, made
 * again by the next reader when its maker died before, and found by its tag before one is made: `create` makes another
 * one each time that it is carried out.
 */

import { BackendUnavailable } from "@pipekit/adapters/registry";
import { z } from "zod";
import { cardOf, HASH_TAG } from "./card.ts";
import type { Home } from "./home.ts";
import type { Server } from "./server.ts";
import { findSourceRun } from "./source-run.ts";
import { turns } from "./turns.ts";

/** A version of ours. */
export interface Version {
  readonly number: string;
  readonly hash: string;
  readonly updatedMs: number;
}

const PAGE = 500;
const MAX_ATTEMPTS = 4;
/** MLflow notes each version at its logged model, in one text that must not grow for ever. */
const VERSIONS_BETWEEN_TRIMS = 50;

const Tag = z.object({ key: z.string(), value: z.string().default("") });
const ModelVersion = z.object({
  version: z.coerce.string(),
  last_updated_timestamp: z.coerce.number().default(0),
  tags: z.array(Tag).default([]),
});
const Found = z.object({
  model_versions: z.array(ModelVersion).default([]),
  next_page_token: z.string().default(""),
});
const One = z.object({ model_version: ModelVersion });

export class Versions {
  readonly #server: Server;
  readonly #name: string;
  readonly #home: Home;
  readonly #place: string;
  readonly #known = new Map<string, string>();

  /** `place` tells this registry from others of the process. */
  constructor(server: Server, name: string, home: Home, place: string) {
    this.#server = server;
    this.#name = name;
    this.#home = home;
    this.#place = place;
  }

  /** Whether this process has seen the version of the hash. */
  isKnown(hash: string): boolean {
    return this.#known.has(hash);
  }

  /** The hash's version is not what it was when it was seen. */
  forget(hash: string): void {
    this.#known.delete(hash);
  }

  /** The number of the hash's version; of several the lowest. */
  async numberOf(hash: string, signal: AbortSignal): Promise<string | undefined> {
    return this.#known.get(hash) ?? (await this.#search(hash, signal))[0];
  }

  /** When the hash's version was written last, unix milliseconds by the server; undefined without one. */
  async writtenAtMs(hash: string, signal: AbortSignal): Promise<number | undefined> {
    const versions = await this.#of(hash, signal);
    return versions.length === 0
      ? undefined
      : Math.max(...versions.map(({ last_updated_timestamp }) => last_updated_timestamp));
  }

  /** The number of the hash's version, made when there is none. */
  async ensure(hash: string, metadataJson: Buffer, signal: AbortSignal): Promise<string> {
    return await turns.run(`${this.#place} version ${hash}`, async () => {
      for (let attempt = 1; ; attempt++) {
        const found = await this.numberOf(hash, signal);
        if (found !== undefined) return found;
        try {
          await this.#create(hash, metadataJson, signal);
        } catch (error) {
          // The answer may have been lost after the version was made.
          if (!(error instanceof BackendUnavailable) || attempt === MAX_ATTEMPTS) throw error;
        }
        await this.#dropDoubles(hash, signal);
      }
    });
  }

  /** Deletes the hash's versions. */
  async remove(hash: string, signal: AbortSignal): Promise<void> {
    await turns.run(`${this.#place} version ${hash}`, async () => {
      this.#known.delete(hash);
      for (const version of await this.#search(hash, signal)) await this.delete(version, signal);
      this.#known.delete(hash);
    });
  }

  async delete(version: string, signal: AbortSignal): Promise<void> {
    await this.#server.delete("model-versions/delete", { name: this.#name, version }, signal);
  }

  /** The hash of a version; undefined when it is none of ours or gone. */
  async hashOf(version: string, signal: AbortSignal): Promise<string | undefined> {
    const query = { name: this.#name, version };
    const found = await this.#server.find(
      () => this.#server.api.get("model-versions/get", query, One, signal),
      signal,
    );
    return found && hashIn(found.model_version);
  }

  /** All versions of ours. */
  async *all(signal: AbortSignal): AsyncGenerator<Version> {
    for (let page_token = ""; ; ) {
      const found = await this.#page(`name = '${this.#name}'`, PAGE, page_token, signal);
      for (const version of found.model_versions) {
        const hash = hashIn(version);
        if (hash === undefined) continue;
        yield { number: version.version, hash, updatedMs: version.last_updated_timestamp };
      }
      if (found.next_page_token === "") return;
      page_token = found.next_page_token;
    }
  }

  async #create(hash: string, metadataJson: Buffer, signal: AbortSignal): Promise<void> {
    const { description, tags, runId } = cardOf(hash, metadataJson);
    const run = runId === "" ? undefined : await findSourceRun(this.#server, runId, signal);
    const { root, anchor } = this.#home;
    const body = {
      name: this.#name,
      source: `${root}/${hash}`,
      tags,
      description,
      ...(run === undefined ? {} : { run_id: run }),
      ...(anchor === undefined ? {} : { model_id: anchor }),
    };
    const made = await this.#server.api.post("model-versions/create", body, One, signal);
    signal.throwIfAborted();
    if (!made.ok) await this.#server.insist(async () => made, signal);
    else await this.#trim(Number(made.value.model_version.version), signal);
  }

  async #trim(version: number, signal: AbortSignal): Promise<void> {
    const { anchor } = this.#home;
    if (anchor === undefined || version % VERSIONS_BETWEEN_TRIMS !== 0) return;
    // Nothing depends on it before many more versions are made.
    await this.#server.api.send("DELETE", `logged-models/${anchor}/tags/mlflow.modelVersions`, {}, signal);
  }

  /** Another daemon may have made one in the same moment; both keep the lowest. */
  async #dropDoubles(hash: string, signal: AbortSignal): Promise<void> {
    const [, ...others] = await this.#search(hash, signal);
    for (const version of others) await this.delete(version, signal);
  }

  /** Numbers of the hash's versions, lowest first. */
  async #search(hash: string, signal: AbortSignal): Promise<string[]> {
    const numbers = (await this.#of(hash, signal))
      .map(({ version }) => version)
      .toSorted((a, b) => Number(a) - Number(b));
    if (numbers[0] !== undefined) this.#known.set(hash, numbers[0]);
    return numbers;
  }

  async #of(hash: string, signal: AbortSignal): Promise<z.infer<typeof ModelVersion>[]> {
    const filter = `name = '${this.#name}' AND tags.\`${HASH_TAG}\` = '${hash}'`;
    return (await this.#page(filter, 100, "", signal)).model_versions;
  }

  async #page(
    filter: string,
    limit: number,
    token: string,
    signal: AbortSignal,
  ): Promise<z.infer<typeof Found>> {
    const query = {
      filter,
      max_results: String(limit),
      order_by: "version_number ASC",
      ...(token === "" ? {} : { page_token: token }),
    };
    return await this.#server.get("model-versions/search", query, Found, signal);
  }
}

function hashIn(version: z.infer<typeof ModelVersion>): string | undefined {
  return version.tags.find(({ key }) => key === HASH_TAG)?.value;
}
