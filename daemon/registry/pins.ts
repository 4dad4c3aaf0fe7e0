/** Pins: models that no collection deletes, whatever the policy says. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { type Pin, PipekitError } from "@pipekit/proto";
import { z } from "zod";
import { hashOfKey, PINS, pinKey, scanAll } from "./collecting/keys.ts";
import type { Leases } from "./collecting/leases.ts";
import { inParallel } from "./collecting/parallel.ts";
import type { Deed } from "./registry.ts";
import { noSuchHash, type Resolving } from "./resolving.ts";

const pinFile = z.object({ actor: z.string(), at: z.iso.datetime(), reason: z.string() });

/** Lost races after which a pin is taken to be fought over. */
const MAX_ATTEMPTS = 20;

export class Pins {
  readonly #backend: RegistryBackend;
  readonly #resolving: Resolving;
  readonly #leases: Leases;

  constructor(backend: RegistryBackend, resolving: Resolving, leases: Leases) {
    this.#backend = backend;
    this.#resolving = resolving;
    this.#leases = leases;
  }

  /** Pins under a lease, as a tag is moved. Throws REF_NOT_FOUND. */
  async pin({ ref, actor, reason }: Deed & { readonly ref: string }, signal: AbortSignal): Promise<Pin> {
    const { hash } = await this.#resolving.lookUp(ref, signal);
    return this.#leases.hold(hash, { kind: "pinning", actor }, signal, async (lease) => {
      if (!(await this.#resolving.exists(hash, signal))) throw noSuchHash(hash);
      const atUs = Date.now() * 1000;
      const entry = { actor, at: new Date(atUs / 1000).toISOString(), reason };
      const bytes = Buffer.from(`${JSON.stringify(entry)}\n`);
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        lease.check();
        const found = await this.#backend.get(pinKey(hash), signal);
        const written =
          found === undefined
            ? await this.#backend.create(pinKey(hash), bytes, signal)
            : await this.#backend.replace(pinKey(hash), bytes, found.version, signal);
        if (written !== undefined) return { hash, actor, atUs, reason };
      }
      throw new Error(`${pinKey(hash)} is being written by others again and again.`);
    });
  }

  /** False when there was no pin. */
  async unpin(ref: string, signal: AbortSignal): Promise<boolean> {
    const { hash } = await this.#resolving.lookUp(ref, signal);
    if ((await this.#backend.info(pinKey(hash), signal)) === undefined) return false;
    await this.#backend.remove(pinKey(hash), signal);
    return true;
  }

  /** In byte order of the hashes. Throws CORRUPT_MODEL. */
  async list(signal: AbortSignal): Promise<Pin[]> {
    const hashes = (await scanAll(this.#backend, PINS, signal)).map(({ key }) => hashOfKey(key));
    const pins = await inParallel(
      hashes.filter((hash) => hash !== undefined),
      (hash) => this.#read(hash, signal),
    );
    return pins.filter((pin) => pin !== undefined);
  }

  async #read(hash: string, signal: AbortSignal): Promise<Pin | undefined> {
    const found = await this.#backend.get(pinKey(hash), signal);
    if (found === undefined) return undefined;
    try {
      const { actor, at, reason } = pinFile.parse(JSON.parse(found.bytes.toString("utf8")));
      return { hash, actor, atUs: Date.parse(at) * 1000, reason };
    } catch (cause) {
      throw new PipekitError("CORRUPT_MODEL", `The registry's file ${pinKey(hash)} is damaged.`, {
        field: pinKey(hash),
        mend: "Pin the model again, or remove the file.",
        cause,
      });
    }
  }
}
