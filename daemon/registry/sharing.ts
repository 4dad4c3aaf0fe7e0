/**
 * Models with the same weights, on backends that can copy an object without its bytes passing through here.
 *
 * `_weights/<SHA-256 of the weights>/<hash of a model>.txt` says that this model has them. An entry is only a hint: it is
 * written beside a store, is not awaited by anyone, and may be missing or lead to a model that is gone. Then the bytes are
 * sent.
 */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { isHash } from "@pipekit/proto";
import type { FileDigest } from "./metadata.ts";
import { FILES, modelKey } from "./model.ts";

/** Prefix of the entries; a collector removes those whose model is gone, see `modelOfEntry`. */
export const WEIGHTS_INDEX = "_weights/";
/** Smaller weights are sent as quickly as they are copied. */
const MIN_SHARED_BYTES = 1024 * 1024;
/** Models that are tried. */
const MAX_TRIED = 4;

/** The model that an entry's key names; undefined for a key of another form. */
export function modelOfEntry(key: string): string | undefined {
  const hash = /^_weights\/[0-9a-f]{64}\/(.*)\.txt$/.exec(key)?.[1];
  return hash !== undefined && isHash(hash) ? hash : undefined;
}

export class Sharing {
  readonly #backend: RegistryBackend;

  constructor(backend: RegistryBackend) {
    this.#backend = backend;
  }

  /** Gives the model, which has no weights yet, a copy of those of another model; false when they must be sent. */
  async copyInto(hash: string, weights: FileDigest, signal: AbortSignal): Promise<boolean> {
    if (!this.#serves(weights)) return false;
    const key = modelKey(hash, FILES.weights);
    try {
      const prefix = `${WEIGHTS_INDEX}${weights.sha256}/`;
      for (const entry of await this.#backend.list(prefix, { limit: MAX_TRIED }, signal)) {
        const other = modelOfEntry(entry);
        if (other === undefined || other === hash) continue;
        if (!(await this.#backend.copy?.(modelKey(other, FILES.weights), key, signal))) continue;
        const made = await this.#backend.info(key, signal);
        if (made?.size === weights.size) return true;
        await this.#backend.remove(key, signal);
      }
    } catch {
      signal.throwIfAborted();
      // Whatever stood in the way of a copy, sending tells it if it still does.
    }
    return false;
  }

  /** Notes that the model has the weights, if that can be done. */
  async note(hash: string, weights: FileDigest, signal: AbortSignal): Promise<void> {
    if (!this.#serves(weights)) return;
    const key = `${WEIGHTS_INDEX}${weights.sha256}/${hash}.txt`;
    await this.#backend.create(key, Buffer.from(`${hash}\n`), signal).catch(() => undefined);
  }

  /** A backend on this host has the bytes already when it is asked, and need not share them. */
  #serves({ size }: FileDigest): boolean {
    const { copy } = this.#backend;
    const isHere = this.#backend.localPath(`${WEIGHTS_INDEX}any`) !== undefined;
    return copy !== undefined && !isHere && size >= MIN_SHARED_BYTES;
  }
}
