/**
 * A tag's history brought into another registry: its moves keep their numbers, actors, times, nonces and reasons.
 *
 * A history that the target's begins is taken over by one move of the tag: the missing log entries are created first, in
 * order, then the tag is replaced by the last move (compare and swap). So nobody sees the tag pass through old models,
 * and nobody sees a history with holes. Log entries beyond the tag's number are no part of its history: readers stop at
 * the number, a mover who won the race replaces them (Tags.ensureLogged), and the same copy begun anew finds them again.
 * An entry is only ever created here, so that a copy that lost the race, and does not know it yet, spoils nothing.
 */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { inParallel } from "../collecting/parallel.ts";
import { decodeLog, encodeLog, type LoggedMove, logKey } from "../tag-file.ts";
import type { CurrentTag, Tags } from "../tags.ts";

/** A tag outside of the target. */
export interface History {
  /** The last move. */
  readonly last: LoggedMove;
  /** Move number `seq`; undefined when it is missing. Throws CORRUPT_MODEL. */
  moveAt(seq: number, signal: AbortSignal): Promise<LoggedMove | undefined>;
}

/** How the target's history stands to the source's. */
export type Standing =
  /** It lacks the moves after the number of `current`. */
  | { readonly kind: "behind"; readonly current: CurrentTag | undefined }
  /** It has all of them, and perhaps more. */
  | { readonly kind: "level" }
  /** `why` is one sentence. */
  | { readonly kind: "apart"; readonly why: string };

/** Compares the last move that both have: a nonce is made once, so that what comes before it is the same too. */
export async function standingOf(tags: Tags, history: History, signal: AbortSignal): Promise<Standing> {
  const { name, seq } = history.last;
  const current = await tags.read(name, signal);
  if (current === undefined) return { kind: "behind", current };
  const common = Math.min(seq, current.move.seq);
  const theirs = await history.moveAt(common, signal);
  const ours = await tags.moveAt(current.move, common, signal);
  if (theirs === undefined) return apart(`The copied history of \`${name}\` lacks move ${common}.`);
  if (ours === undefined) return apart(`The history of \`${name}\` lacks move ${common} here.`);
  if (!isSame(ours, theirs)) return apart(`The history of \`${name}\` went another way here.`);
  return current.move.seq < seq ? { kind: "behind", current } : { kind: "level" };
}

/** Moves after number `after` of a history, oldest first; a sentence when they do not make one chain. */
export async function movesAfter(
  history: History,
  after: LoggedMove | undefined,
  signal: AbortSignal,
): Promise<LoggedMove[] | string> {
  const { name, seq: end } = history.last;
  const first = (after?.seq ?? 0) + 1;
  const seqs = Array.from({ length: end - first + 1 }, (_, i) => first + i);
  const found = await inParallel(seqs, (seq) => history.moveAt(seq, signal));
  const moves: LoggedMove[] = [];
  let before = after;
  for (const [i, move] of found.entries()) {
    const seq = first + i;
    if (move === undefined) return `The copied history of \`${name}\` lacks move ${seq}.`;
    if (move.seq !== seq || move.name !== name || move.previousHash !== (before?.hash ?? "")) {
      return `Move ${seq} in the copied history of \`${name}\` does not follow from the one before.`;
    }
    moves.push(move);
    before = move;
  }
  return moves;
}

/**
 * Creates the log entries of moves that the tag is yet to make; false when another stands in the place of one. The first
 * is created before the others: of two copies with different histories, the one that comes second stops there.
 */
export async function prepareLog(
  backend: RegistryBackend,
  moves: readonly LoggedMove[],
  signal: AbortSignal,
): Promise<boolean> {
  const prepare = async (move: LoggedMove): Promise<boolean> => {
    const key = logKey(move.name, move.seq);
    if ((await backend.create(key, encodeLog(move), signal)) !== undefined) return true;
    const found = await backend.get(key, signal);
    const there = found && decodeLog(move.name, found.bytes);
    return there !== undefined && isSame(there, move);
  };
  const [first, ...others] = moves;
  if (first === undefined || !(await prepare(first))) return first === undefined;
  return (await inParallel(others, prepare)).every(Boolean);
}

/** Whether the log tells of moves after this one. */
export async function hasLogAfter(
  backend: RegistryBackend,
  { name, seq }: LoggedMove,
  signal: AbortSignal,
): Promise<boolean> {
  const options = { after: logKey(name, seq), limit: 1 };
  return (await backend.list(`_log/${name}/`, options, signal)).length > 0;
}

function isSame(a: LoggedMove, b: LoggedMove): boolean {
  return a.seq === b.seq && a.hash === b.hash && a.nonce === b.nonce && a.previousHash === b.previousHash;
}

function apart(why: string): Standing {
  return { kind: "apart", why };
}
