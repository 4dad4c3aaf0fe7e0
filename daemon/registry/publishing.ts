/** Gives a model its weights: kept as they are, copied from another model, or sent. */
import type { PendingBlob, RegistryBackend } from "@pipekit/adapters/registry";
import { Damage, type FileDigest } from "./metadata.ts";
import { FILES, modelKey } from "./model.ts";
import { bytesOf } from "./progress.ts";
import type { OnProgress } from "./registry.ts";
import { Sharing } from "./sharing.ts";
import { checkDigest, type VerifiedFiles } from "./verified.ts";

export class Publishing {
  readonly #backend: RegistryBackend;
  readonly #verified: VerifiedFiles;
  readonly #sharing: Sharing;

  constructor(backend: RegistryBackend, verified: VerifiedFiles) {
    this.#backend = backend;
    this.#verified = verified;
    this.#sharing = new Sharing(backend);
  }

  /** The weights of the model are these, and sound, when it resolves. Cancelled, it leaves what was there. */
  async ensure(
    hash: string,
    weights: PendingBlob,
    signal: AbortSignal,
    onProgress?: OnProgress,
  ): Promise<void> {
    const key = modelKey(hash, FILES.weights);
    if ((await this.#backend.info(key, signal)) !== undefined) {
      if (await this.#isSound(key, weights, signal)) return;
      await this.#backend.remove(key, signal);
    }
    if (!(await this.#sharing.copyInto(hash, weights, signal))) {
      await weights.publish(key, signal, bytesOf("sending", onProgress));
    }
    await this.#sharing.note(hash, weights, signal);
  }

  /** A backend elsewhere is asked for the size alone: its bytes are checked at each load. */
  async #isSound(key: string, expected: FileDigest, signal: AbortSignal): Promise<boolean> {
    const path = this.#backend.localPath(key);
    try {
      if (path === undefined) {
        const size = (await this.#backend.info(key, signal))?.size;
        checkDigest(FILES.weights, expected, { sha256: expected.sha256, size: size ?? -1 });
      } else {
        await this.#verified.check(path, FILES.weights, expected, signal);
      }
      return true;
    } catch (error) {
      if (error instanceof Damage) return false;
      throw error;
    }
  }
}
