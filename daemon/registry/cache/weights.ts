/**
 * Weights of registries that are on other hosts, as files of this one, named by their digest: models, registries and
 * daemons share them.
 *
 * Architecture Invariant: a file of the cache gets its name after its digest was found right, and is handed out only
 * while it looks as it did then, or after it was hashed once more. After a start of the machine each is hashed once more,
 * since none is made durable: it can be fetched again.
 */
import { rm } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { hashFile, syncFile } from "@pipekit/adapters/files";
import type { OnBytes } from "@pipekit/adapters/registry";
import { Damage, type FileDigest } from "../metadata.ts";
import { FILES } from "../model.ts";
import { bytesOf } from "../progress.ts";
import type { OnProgress } from "../registry.ts";
import { CLOCK_GRAIN_MS, checkDigest, identity, type VerifiedFiles } from "../verified.ts";
import { asNoRoom } from "./no-room.ts";
import { Room } from "./room.ts";
import { SharedWork } from "./shared-work.ts";
import type { WeightsFolder } from "./weights-folder.ts";

/** Writes the weights to the new file `path`; returns their digest if it was made on the way. */
export type Fill = (
  path: string,
  signal: AbortSignal,
  onFetched: OnBytes,
  onChecked: OnBytes,
) => Promise<FileDigest | undefined>;

/** How often weights were wanted as a file, since the start. */
export interface CacheUses {
  /** They were there. */
  readonly hits: number;
  /** They were fetched first. */
  readonly fetches: number;
  readonly fetchedBytes: number;
}

export class WeightsCache {
  readonly #uses = { hits: 0, fetches: 0, fetchedBytes: 0 };
  readonly #folder: WeightsFolder;
  readonly #verified: VerifiedFiles;
  readonly #room: Room;
  readonly #durable: boolean;
  readonly #fetches = new SharedWork<string>();
  #tidying: Promise<void> | undefined;

  /** `limitBytes` 0 for no cache. `durable` unless `verified` forgets at a start of the machine. */
  constructor(folder: WeightsFolder, verified: VerifiedFiles, limitBytes: number, durable: boolean) {
    this.#folder = folder;
    this.#verified = verified;
    this.#durable = durable;
    this.#room = new Room(folder, limitBytes);
  }

  get uses(): CacheUses {
    return this.#uses;
  }

  /** Path of the sound file with this digest; undefined when there is none. */
  async find(weights: FileDigest, signal: AbortSignal, onProgress?: OnProgress): Promise<string | undefined> {
    const path = this.#folder.pathOf(weights.sha256);
    if ((await identity(path)) === undefined) return undefined;
    try {
      await this.#verified.check(path, FILES.weights, weights, signal, bytesOf("checking", onProgress));
      return path;
    } catch (error) {
      if (!(error instanceof Damage)) throw error;
      // It was changed behind our back, and can be fetched again.
      await this.#folder.remove(weights.sha256).catch(() => undefined);
      return undefined;
    }
  }

  /**
   * Path of the file with this digest, which `fill` fetches when it is not here; those who ask for it at the same time
   * share that. Throws NoRoom, Damage, and what `fill` throws.
   */
  async get(weights: FileDigest, fill: Fill, signal: AbortSignal, onProgress?: OnProgress): Promise<string> {
    let fetched = false;
    const work = async (fetching: AbortSignal, tell: OnProgress): Promise<string> => {
      const found = await this.find(weights, fetching, tell);
      if (found !== undefined) return found;
      fetched = true;
      const path = await this.#fetch(weights, fill, fetching, tell);
      this.#uses.fetches++;
      this.#uses.fetchedBytes += weights.size;
      return path;
    };
    const path = await this.#fetches.run(weights.sha256, work, signal, onProgress);
    if (!fetched) this.#uses.hits++;
    return path;
  }

  async #fetch(
    weights: FileDigest,
    fill: Fill,
    signal: AbortSignal,
    onProgress: OnProgress,
  ): Promise<string> {
    try {
      await this.#folder.ensure();
      await this.#tidied();
      const reservation = await this.#room.reserve(weights.size);
      try {
        const path = await this.#fetched(weights, fill, signal, onProgress);
        reservation.taken();
        return path;
      } catch (error) {
        reservation.dropped();
        throw error;
      }
    } catch (error) {
      throw asNoRoom(error, this.#folder.path);
    }
  }

  async #fetched(
    weights: FileDigest,
    fill: Fill,
    signal: AbortSignal,
    onProgress: OnProgress,
  ): Promise<string> {
    const temp = this.#folder.newTemp();
    try {
      const fetching = bytesOf("fetching", onProgress) as OnBytes;
      const checking = bytesOf("checking", onProgress) as OnBytes;
      const found =
        (await fill(temp, signal, fetching, checking)) ?? (await hashFile(temp, signal, checking));
      checkDigest(FILES.weights, weights, found);
      if (this.#durable) await syncFile(temp);
      signal.throwIfAborted();
      const path = await this.#folder.keep(temp, weights.sha256, this.#durable);
      const seen = await identity(path);
      if (seen !== undefined) await this.#verified.remember(path, seen, weights);
      // From now on every change shows.
      await setTimeout(CLOCK_GRAIN_MS);
      return path;
    } finally {
      await rm(temp, { force: true }).catch(() => undefined);
    }
  }

  #tidied(): Promise<void> {
    this.#tidying ??= this.#folder.tidy();
    // The next call tries again.
    this.#tidying.catch(() => {
      this.#tidying = undefined;
    });
    return this.#tidying;
  }
}
