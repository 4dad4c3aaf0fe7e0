/**
 * Names that point to hashes, each with a numbered, gapless history.
 *
 * A move is: see to it that the log has the current move n ("help before move": its mover may have died), replace the tag
 * by move n+1 if it is still at n (compare and swap), write the log entry n+1. The tag is the truth; the log follows it by
 * at most one entry. Resolving a name is one read.
 */
import { randomUUID } from "node:crypto";
import { KeyedMutex } from "@pipekit/adapters/keyed-mutex";
import type { RegistryBackend, StoredObject } from "@pipekit/adapters/registry";
import { PipekitError } from "@pipekit/proto";
import { type Clock, systemClock } from "./collecting/clock.ts";
import type { Lease } from "./collecting/lease.ts";
import { inParallel } from "./collecting/parallel.ts";
import { listAll } from "./list-all.ts";
import { MadeMoves } from "./made-moves.ts";
import { Damage } from "./metadata.ts";
import {
  decodeLog,
  decodeTag,
  encodeLog,
  encodeTag,
  type LoggedMove,
  logKey,
  nameOfTagKey,
  seqOfLogKey,
  tagKey,
} from "./tag-file.ts";

/** A move that is asked for. */
export interface MoveRequest {
  readonly name: string;
  /** Where to; empty to delete the tag. */
  readonly hash: string;
  readonly force: boolean;
  /** Empty for any. */
  readonly expectedHash: string;
  /** The tag's last move; any when absent. */
  readonly expectedSeq?: number;
  readonly actor: string;
  readonly reason: string;
  /** Who it is as the daemon knows it; nobody when absent. */
  readonly principal?: string;
  /** Of the call: the same in all its attempts. Absent or empty: each attempt is a call of its own. */
  readonly moveId?: string;
}

export interface CurrentTag {
  readonly move: LoggedMove;
  readonly version: string;
}

/** Lost races after which a mover gives up; somebody else has moved the tag in each of them. */
const MAX_ATTEMPTS = 200;

export class Tags {
  readonly #backend: RegistryBackend;
  readonly #movers = new KeyedMutex();
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #moved: () => void;
  readonly #clock: Clock;
  readonly #made: MadeMoves;

  /** `moved` is called after each move made here. */
  constructor(backend: RegistryBackend, moved: () => void, clock: Clock = systemClock) {
    this.#backend = backend;
    this.#moved = moved;
    this.#clock = clock;
    this.#made = new MadeMoves((last, seq, signal) => this.moveAt(last, seq, signal), clock);
  }

  /** The tag's last move; undefined when there is no such tag. Throws CORRUPT_MODEL. */
  async current(name: string, signal: AbortSignal): Promise<LoggedMove | undefined> {
    return (await this.read(name, signal))?.move;
  }

  /** Move number `seq` of a tag whose last move is `last`; undefined when there is none. Throws CORRUPT_MODEL. */
  async moveAt(last: LoggedMove, seq: number, signal: AbortSignal): Promise<LoggedMove | undefined> {
    if (seq === last.seq) return last;
    if (seq > last.seq || seq < 1) return undefined;
    const key = logKey(last.name, seq);
    const found = await this.#get(key, signal);
    if (found === undefined) return undefined;
    const move = decodeLog(last.name, found.bytes);
    if (move === undefined) throw damaged(key);
    return move;
  }

  /** The move, of a tag whose last one is `last`, that an earlier attempt of this call has made; it is in the log. */
  async made(
    last: LoggedMove | undefined,
    moveId: string | undefined,
    signal: AbortSignal,
  ): Promise<LoggedMove | undefined> {
    const made = last && (await this.#made.find(last, moveId ?? "", signal));
    if (made !== undefined && made.seq === last?.seq) await this.ensureLogged(made, signal);
    return made;
  }

  /**
   * Throws TAG_EXISTS or TAG_CONFLICT when the request cannot be granted as the tag stands. `lease` is on the model that
   * the tag is moved to; a deletion needs none.
   */
  async move(request: MoveRequest, lease: Lease | undefined, signal: AbortSignal): Promise<LoggedMove> {
    // Racers of this process queue here instead of undoing each other's work.
    return this.#movers.run(request.name, async () => {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const move = await this.#tryMove(request, lease, signal);
        if (move !== undefined) return move;
        await this.#clock.wait(Math.random() * Math.min(2 * (attempt + 1), 30), signal);
      }
      throw conflict(request.name, "was moved by others again and again while this call tried to");
    });
  }

  /** Names of all tags that lead to a model, with their hashes. Damaged ones are left out. */
  async all(signal: AbortSignal): Promise<Map<string, string>> {
    const names = await this.names(signal);
    const found = await inParallel(names, async (name) => {
      const tag = await this.#backend.get(tagKey(name), signal).catch((error: unknown) => {
        if (error instanceof Damage) return undefined;
        throw error;
      });
      return tag && decodeTag(name, tag.bytes);
    });
    const moves = found.filter((move) => move !== undefined && move.hash !== "");
    return new Map(moves.map((move) => [move?.name ?? "", move?.hash ?? ""]));
  }

  /** Names of all tags in byte order, those that were deleted as well. */
  async names(signal: AbortSignal): Promise<string[]> {
    const keys = await Array.fromAsync(listAll(this.#backend, "_tags/", {}, signal));
    return keys.filter((key) => key.endsWith(".txt")).map(nameOfTagKey);
  }

  /** Calls `changed` when the tag may have moved, here or elsewhere; returns the stop function. */
  onMove(name: string, changed: () => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(changed));
    const stop = this.#backend.watch(tagKey(name), changed);
    return () => {
      stop();
      listeners.delete(changed);
      if (listeners.size === 0) this.#listeners.delete(name);
    };
  }

  /** One attempt; undefined when somebody else moved the tag meanwhile. */
  async #tryMove(
    request: MoveRequest,
    lease: Lease | undefined,
    signal: AbortSignal,
  ): Promise<LoggedMove | undefined> {
    const { name, hash } = request;
    const current = await this.read(name, signal);
    // Two attempts of one call may be under way at once, at two daemons.
    const made = await this.made(current?.move, request.moveId, signal);
    if (made !== undefined) return made;
    if (current?.move.hash === hash) {
      await this.ensureLogged(current.move, signal);
      return current.move;
    }
    checkGrant(request, current?.move);
    const before = current?.move ?? (await this.lastLogged(name, signal));
    if (current !== undefined) await this.ensureLogged(current.move, signal);
    const move: LoggedMove = {
      name,
      seq: (before?.seq ?? 0) + 1,
      hash,
      previousHash: before?.hash ?? "",
      actor: request.actor,
      atUs: this.#clock.unixMs() * 1000,
      reason: request.reason,
      principal: request.principal ?? "",
      nonce: randomUUID(),
      moveId: request.moveId ?? "",
    };
    lease?.check();
    if (!(await this.swap(move, current, signal))) return undefined;
    this.notify(name);
    await this.ensureLogged(move, signal);
    return move;
  }

  /** Compares and swaps; false when the tag is not as it was. When the answer is lost, looks whether it was done: the nonce tells. */
  async swap(move: LoggedMove, current: CurrentTag | undefined, signal: AbortSignal): Promise<boolean> {
    const key = tagKey(move.name);
    const bytes = encodeTag(move);
    try {
      const version =
        current === undefined
          ? await this.#backend.create(key, bytes, signal)
          : await this.#backend.replace(key, bytes, current.version, signal);
      return version !== undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      const now = await this.current(move.name, signal);
      if (now?.nonce === move.nonce) return true;
      // Whoever moved the tag on from our move has logged it first.
      const logged = now && (await this.moveAt(now, move.seq, signal));
      if (logged?.nonce === move.nonce) return true;
      throw error;
    }
  }

  /**
   * Makes the log tell of the move that the tag has made. An entry that a copy put there under its number, before it lost
   * the race for the tag, gives way.
   */
  async ensureLogged(move: LoggedMove, signal: AbortSignal): Promise<void> {
    const key = logKey(move.name, move.seq);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const found = await this.#backend.get(key, signal);
      if (found !== undefined && decodeLog(move.name, found.bytes)?.nonce === move.nonce) return;
      const bytes = encodeLog(move);
      const written =
        found === undefined
          ? await this.#backend.create(key, bytes, signal)
          : await this.#backend.replace(key, bytes, found.version, signal);
      if (written !== undefined) return;
    }
    throw new Error(`${key} is being written by others again and again.`);
  }

  /** The last move in the log of a tag that is not there: its numbers go on even if a person has removed the tag. */
  async lastLogged(name: string, signal: AbortSignal): Promise<LoggedMove | undefined> {
    let last: string | undefined;
    for await (const key of listAll(this.#backend, `_log/${name}/`, {}, signal)) last = key;
    if (last === undefined) return undefined;
    const found = await this.#get(last, signal);
    const move = found && decodeLog(name, found.bytes);
    if (move === undefined || move.seq !== seqOfLogKey(last)) throw damaged(last);
    return move;
  }

  /** The tag as it is now; undefined when there is no such tag. Throws CORRUPT_MODEL. */
  async read(name: string, signal: AbortSignal): Promise<CurrentTag | undefined> {
    const key = tagKey(name);
    const found = await this.#get(key, signal);
    if (found === undefined) return undefined;
    const move = decodeTag(name, found.bytes);
    if (move === undefined) throw damaged(key);
    return { move, version: found.version };
  }

  /** Throws CORRUPT_MODEL for a file that cannot be one of a tag. */
  async #get(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    return this.#backend.get(key, signal).catch((error: unknown) => {
      throw error instanceof Damage ? damaged(key) : error;
    });
  }

  /** Tells who watches the tag here that it has moved. */
  notify(name: string): void {
    this.#moved();
    for (const changed of this.#listeners.get(name) ?? []) changed();
  }
}

/** Throws TAG_CONFLICT or TAG_EXISTS when a tag that stands at `current` may not move as asked for. */
function checkGrant(request: MoveRequest, current: LoggedMove | undefined): void {
  const { name, expectedHash, expectedSeq } = request;
  const there = current?.hash ?? "";
  if (expectedHash !== "" && there !== expectedHash) {
    const gone = current === undefined ? "does not exist" : "was deleted";
    throw conflict(name, there === "" ? gone : `points to ${there}`);
  }
  if (expectedSeq !== undefined && current?.seq !== expectedSeq) {
    throw conflict(name, "was moved by others meanwhile");
  }
  if (there !== "" && there !== request.hash && !request.force) throw tagExists(name, there);
}

export function tagExists(name: string, hash: string): PipekitError {
  return new PipekitError("TAG_EXISTS", `The tag \`${name}\` points to ${hash} already.`, {
    field: "name",
    mend: "Choose another name, or give `force` to move it.",
  });
}

function conflict(name: string, state: string): PipekitError {
  return new PipekitError("TAG_CONFLICT", `The tag \`${name}\` ${state}.`, {
    field: "name",
    mend: "Look at its history, then decide again.",
  });
}

function damaged(key: string): PipekitError {
  return new PipekitError("CORRUPT_MODEL", `The registry's file ${key} is damaged.`, {
    field: key,
    mend: "Restore it from a backup; `_log` holds the tag's earlier moves.",
  });
}
