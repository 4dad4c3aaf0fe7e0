/**
 * Which call made which move of a tag, so that a call that is made again because its answer was lost moves nothing.
 *
 * A move carries the id of its call in the tag and in the log. The log is searched back to the moves of an hour ago, by the
 * daemon's clock, and MAX_MOVES at most: clients give up long before. What was read is kept in memory, as a move that was
 * made never changes; so each entry is read once, and none of a tag that has not moved for an hour.
 */
import { PipekitError } from "@pipekit/proto";
import type { Clock } from "./collecting/clock.ts";
import { inParallel } from "./collecting/parallel.ts";
import type { LoggedMove } from "./tag-file.ts";

const REACH_MS = 60 * 60_000;
const MAX_MOVES = 1000;
/** Entries that are asked for at once. */
const BATCH = 16;
/** Tags that are remembered; each costs 100 KB at most. */
const MAX_TAGS = 256;
/** ULIDs and UUIDs are such. */
const ID = /^[0-9A-Za-z-]{16,64}$/;

/** The moves of one tag up to `last`. */
interface Known {
  readonly last: LoggedMove;
  /** Numbers of moves by the ids of their calls, oldest first. */
  readonly seqs: ReadonlyMap<string, number>;
}

/** Move number `seq` of a tag; undefined when the log lacks it. Throws CORRUPT_MODEL. */
type MoveAt = (last: LoggedMove, seq: number, signal: AbortSignal) => Promise<LoggedMove | undefined>;

export class MadeMoves {
  readonly #moveAt: MoveAt;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();

  constructor(moveAt: MoveAt, clock: Clock) {
    this.#moveAt = moveAt;
    this.#clock = clock;
  }

  /** The move that the call has made of a tag whose last move is `last`; undefined when it has made none. */
  async find(last: LoggedMove, moveId: string, signal: AbortSignal): Promise<LoggedMove | undefined> {
    if (moveId === "") return undefined;
    const before = this.#known.get(last.name);
    const known = before?.last.nonce === last.nonce ? before : await this.#read(last, before, signal);
    this.#remember(known);
    const seq = known.seqs.get(moveId);
    const made = seq === undefined ? undefined : await this.#entry(last, seq, signal);
    return made?.moveId === moveId ? made : undefined;
  }

  /** What is known of the tag, and what the log tells since. Its own copy: calls that overlap read the same. */
  async #read(last: LoggedMove, before: Known | undefined, signal: AbortSignal): Promise<Known> {
    const isSoonAfter = before !== undefined && before.last.seq < last.seq;
    const end = isSoonAfter ? before.last.seq : 0;
    const oldestUs = (this.#clock.unixMs() - REACH_MS) * 1000;
    const newest = [last];
    let next = last.seq - 1;
    let isInReach = last.atUs >= oldestUs;
    while (isInReach && next > end && newest.length < MAX_MOVES) {
      const seqs = Array.from({ length: Math.min(BATCH, next - end) }, (_, i) => next - i);
      const found = await inParallel(seqs, (seq) => this.#entry(last, seq, signal));
      for (const move of found) if (move !== undefined) newest.push(move);
      isInReach = found.every((move) => move === undefined || move.atUs >= oldestUs);
      next -= seqs.length;
    }
    // Beyond a gap that was not read, what was known is too old to count.
    const seqs = new Map(isSoonAfter && next <= end ? before.seqs : []);
    for (const move of newest.reverse()) if (move.moveId !== "") seqs.set(move.moveId, move.seq);
    for (const id of seqs.keys()) {
      if (seqs.size <= MAX_MOVES) break;
      seqs.delete(id);
    }
    return { last, seqs };
  }

  /** A damaged entry stands in nobody's way: it tells of no call. */
  async #entry(last: LoggedMove, seq: number, signal: AbortSignal): Promise<LoggedMove | undefined> {
    return this.#moveAt(last, seq, signal).catch((error: unknown) => {
      if (error instanceof PipekitError && error.code === "CORRUPT_MODEL") return undefined;
      throw error;
    });
  }

  #remember(known: Known): void {
    const { name, seq } = known.last;
    const there = this.#known.get(name);
    if (there !== undefined && there.last.seq > seq) return;
    this.#known.delete(name);
    this.#known.set(name, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_TAGS && oldest !== undefined) this.#known.delete(oldest);
  }
}

/** Throws INVALID_ARGUMENT for an id that is given and is none. */
export function checkMoveId(moveId: string | undefined): void {
  if (!moveId || ID.test(moveId)) return;
  throw new PipekitError("INVALID_ARGUMENT", "The `move_id` is neither a ULID nor a UUID.", {
    field: "move_id",
    mend: "Make a new one for each call, or leave it empty.",
  });
}
