/**
 * What is done to tags: pointing them to models, back, and nowhere.
 *
 * A tag is pointed to a model under a lease on it, after a look that the model is there: no reader ever finds a tag that
 * leads to a model which a collector deletes. Should the lease die between the look and the move (the process was stopped for
 * minutes), the mover looks again and undoes its move.
 */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { PipekitError, type TagMove } from "@pipekit/proto";
import type { Lease } from "./collecting/lease.ts";
import type { Leases } from "./collecting/leases.ts";
import { inParallel } from "./collecting/parallel.ts";
import { asCorrupt, readMetadata } from "./model.ts";
import type { TagDeed, TagRequestOptions } from "./registry.ts";
import { deleted, noSuchHash, type Resolving } from "./resolving.ts";
import { type LoggedMove, publicMove } from "./tag-file.ts";
import type { MoveRequest, Tags } from "./tags.ts";

export class Promoting {
  readonly #backend: RegistryBackend;
  readonly #tags: Tags;
  readonly #resolving: Resolving;
  readonly #leases: Leases;

  constructor(backend: RegistryBackend, tags: Tags, resolving: Resolving, leases: Leases) {
    this.#backend = backend;
    this.#tags = tags;
    this.#resolving = resolving;
    this.#leases = leases;
  }

  /** Throws TAG_EXISTS, TAG_CONFLICT, REF_NOT_FOUND, CORRUPT_MODEL. A move that changes nothing is not made. */
  async tag({ ref, ...request }: TagRequestOptions, signal: AbortSignal): Promise<TagMove> {
    const [found] = await Promise.allSettled([this.#resolving.lookUp(ref, signal)]);
    // After the look-up, whose failure is none of a call that has made its move.
    const last = await this.#tags.current(request.name, signal);
    const made = await this.#made(last, request.moveId, signal);
    if (made !== undefined) return made;
    if (found.status === "rejected") throw found.reason;
    return this.#point({ ...request, hash: found.value.hash }, last, signal);
  }

  /** Moves the tag to a model on which the caller holds a lease, and which is there. */
  async tagHeld(request: MoveRequest, lease: Lease, signal: AbortSignal): Promise<TagMove> {
    const move = await this.#tags.move(request, lease, signal);
    if (!lease.isHeld) await this.#undoIfGone(move, lease, signal);
    return publicMove(move);
  }

  /**
   * Goes back by `steps` places. A place is a model that the tag led to; deletions are none, and neither is the model
   * that it leads to now, found again right before it. Throws TAG_CONFLICT when the tag moves meanwhile, REF_NOT_FOUND.
   */
  async rollback(
    { name, steps, ...deed }: TagDeed & { readonly steps: number },
    signal: AbortSignal,
  ): Promise<TagMove> {
    if (!Number.isSafeInteger(steps) || steps < 1) {
      throw new PipekitError("INVALID_ARGUMENT", `\`steps\` is ${steps}.`, {
        field: "steps",
        mend: "Give 1 or more.",
      });
    }
    const last = await this.#resolving.tag(name, signal);
    const made = await this.#made(last, deed.moveId, signal);
    if (made !== undefined) return made;
    const target = await this.#placeBefore(last, steps, signal);
    const reason = deed.reason === "" ? `rollback to move ${target.seq}` : deed.reason;
    const request = {
      ...deed,
      name,
      hash: target.hash,
      force: true,
      expectedHash: "",
      expectedSeq: last.seq,
      reason,
    };
    return this.#point(request, last, signal);
  }

  /** By a move that leads nowhere. Throws TAG_CONFLICT, REF_NOT_FOUND. */
  async delete(request: TagDeed & { readonly expectedHash: string }, signal: AbortSignal): Promise<TagMove> {
    const last = await this.#resolving.tag(request.name, signal);
    const made = await this.#made(last, request.moveId, signal);
    if (made !== undefined) return made;
    if (last.hash === "") throw deleted(last, request.name);
    return publicMove(await this.#tags.move({ ...request, hash: "", force: true }, undefined, signal));
  }

  /** Last moves of the tags after `after` that lead to a model, in byte order, `limit` at most. */
  async list(after: string, limit: number, signal: AbortSignal): Promise<{ tags: TagMove[]; next: string }> {
    const tags: TagMove[] = [];
    const names = (await this.#tags.names(signal)).filter((name) => name > after);
    for (let begin = 0; begin < names.length; begin += limit) {
      const moves = await inParallel(names.slice(begin, begin + limit), (name) =>
        this.#tags.current(name, signal),
      );
      for (const move of moves) {
        if (move === undefined || move.hash === "") continue;
        if (tags.length >= limit) return { tags, next: tags.at(-1)?.name ?? "" };
        tags.push(publicMove(move));
      }
    }
    return { tags, next: "" };
  }

  /**
   * The move that an earlier attempt of this call has made. Throws REF_NOT_FOUND when its model is gone: a move that was
   * undone for that was none.
   */
  async #made(
    last: LoggedMove | undefined,
    moveId: string | undefined,
    signal: AbortSignal,
  ): Promise<TagMove | undefined> {
    const move = await this.#tags.made(last, moveId, signal);
    if (move === undefined) return undefined;
    if (move.hash !== "" && !(await this.#resolving.exists(move.hash, signal))) throw noSuchHash(move.hash);
    return publicMove(move);
  }

  /** `last` is the tag's last move as it was found just now. */
  async #point(request: MoveRequest, last: LoggedMove | undefined, signal: AbortSignal): Promise<TagMove> {
    const { hash, actor } = request;
    if (last?.hash === hash) {
      await this.#tags.ensureLogged(last, signal);
      return publicMove(last);
    }
    return this.#leases.hold(hash, { kind: "tagging", actor }, signal, async (lease) => {
      await this.#requireModel(hash, signal);
      return this.tagHeld(request, lease, signal);
    });
  }

  /** At the backend, whatever this host keeps of the model. */
  async #requireModel(hash: string, signal: AbortSignal): Promise<void> {
    const metadata = await readMetadata(this.#backend, hash, signal).catch((error: unknown) => {
      throw asCorrupt(error, hash);
    });
    if (metadata === undefined) throw noSuchHash(hash);
  }

  async #placeBefore(last: LoggedMove, steps: number, signal: AbortSignal): Promise<LoggedMove> {
    let place = last.hash;
    let left = steps;
    for (let seq = last.seq - 1; seq >= 1; seq--) {
      const move = await this.#tags.moveAt(last, seq, signal);
      if (move === undefined || move.hash === "" || move.hash === place) continue;
      place = move.hash;
      if (--left === 0) return move;
    }
    throw new PipekitError(
      "REF_NOT_FOUND",
      `The tag \`${last.name}\` led to fewer than ${steps} models before.`,
      {
        field: "steps",
        mend: `See \`pkx history ${last.name}\` for where it led.`,
      },
    );
  }

  /** Throws REGISTRY_UNAVAILABLE when the move was undone. */
  async #undoIfGone(move: LoggedMove, lease: Lease, signal: AbortSignal): Promise<void> {
    if (await this.#resolving.exists(move.hash, signal)) return;
    const { name, actor, principal, hash } = move;
    const undone = {
      name,
      force: true,
      expectedHash: hash,
      actor,
      principal,
      reason: `undoes move ${move.seq}: its model was deleted`,
    };
    const back = { ...undone, hash: move.previousHash };
    const canReturn = back.hash !== "" && (await this.#resolving.exists(back.hash, signal));
    if (canReturn) await this.#point(back, undefined, signal);
    else await this.#tags.move({ ...undone, hash: "" }, undefined, signal);
    lease.check();
  }
}
