/**
 * Says whether what clients saw of a tag fits one order of their calls in which each takes effect at one moment between its
 * beginning and its end: the algorithm of Wing and Gong, with a memory of the states that were tried (Lowe, "Testing for
 * linearizability", 2017). A tag is a register of move number and hash.
 */

/** Where a tag stands: the number of its last move, 0 before the first, and a hash, empty when it leads nowhere. */
export interface TagState {
  readonly seq: number;
  readonly hash: string;
}

/** A call that moves nothing. */
export type Refusal = "TAG_CONFLICT" | "TAG_EXISTS" | "REF_NOT_FOUND";

/** What a client asked; a move to the empty hash deletes the tag. `expected` and `force` are as in the API. */
export type TagCall =
  | { readonly kind: "read" }
  | { readonly kind: "move"; readonly hash: string; readonly expected: string; readonly force: boolean };

/** What it was told; `unknown` when no answer came: it may have taken effect at any time since, or never. */
export type TagAnswer =
  | { readonly kind: "stands"; readonly seq: number; readonly hash: string }
  | { readonly kind: "refused"; readonly code: Refusal }
  | { readonly kind: "unknown" };

/** A call and its answer. Times are of one monotonic clock; an unknown answer has no end. */
export interface TagEvent {
  readonly call: TagCall;
  readonly answer: TagAnswer;
  readonly begun: number;
  readonly ended: number;
}

const NEW_TAG: TagState = { seq: 0, hash: "" };

/**
 * The states that a call may leave behind when it takes effect in `state` and is answered so; none when that cannot be. A call
 * without an answer that changes nothing needs no place in the order, and has none.
 */
export function outcomes(state: TagState, { call, answer }: Pick<TagEvent, "call" | "answer">): TagState[] {
  if (call.kind === "read") {
    const told = answer.kind === "stands" && answer.hash === state.hash && answer.seq === seqShown(state);
    return told ? [state] : [];
  }
  const refusal = refusalOf(state, call);
  // Who deletes what another deletes at the same time is told so, or shown the other's move.
  const gone = call.hash === "" && state.hash === "";
  if (gone && answer.kind === "refused" && answer.code === "REF_NOT_FOUND") return [state];
  if (answer.kind === "refused") return refusal === answer.code ? [state] : [];
  if (refusal !== undefined) return [];
  const next = state.hash === call.hash ? state : { seq: state.seq + 1, hash: call.hash };
  if (answer.kind === "unknown") return next === state ? [] : [next];
  return answer.hash === next.hash && answer.seq === next.seq ? [next] : [];
}

/** A name that leads nowhere is not found, and nothing is told of its moves. */
function seqShown({ seq, hash }: TagState): number {
  return hash === "" ? 0 : seq;
}

function refusalOf(
  state: TagState,
  { hash, expected, force }: Extract<TagCall, { kind: "move" }>,
): Refusal | undefined {
  if (state.hash === hash) return undefined;
  if (expected !== "" && state.hash !== expected) return "TAG_CONFLICT";
  return state.hash !== "" && !force ? "TAG_EXISTS" : undefined;
}

/** An order in which the events took effect, as places in `events`; undefined when there is none. */
export function linearize(events: readonly TagEvent[]): number[] | undefined {
  const order = events.map((_, i) => i).sort((a, b) => at(events, a).begun - at(events, b).begun);
  const tried = new Set<string>();
  const taken = new Set<number>();
  const path: number[] = [];
  const mustEnd = events.filter(({ answer }) => answer.kind !== "unknown").length;

  const search = (state: TagState, ended: number): boolean => {
    if (ended === mustEnd) return true;
    const key = `${[...taken].sort((a, b) => a - b).join()}|${state.seq}|${state.hash}`;
    if (tried.has(key)) return false;
    tried.add(key);
    // Who has begun before the first of the others has ended may be next.
    let firstEnd = Number.POSITIVE_INFINITY;
    for (const i of order) {
      if (taken.has(i)) continue;
      const event = at(events, i);
      if (event.begun > firstEnd) break;
      firstEnd = Math.min(firstEnd, event.ended);
      for (const next of outcomes(state, event)) {
        taken.add(i);
        path.push(i);
        if (search(next, ended + (event.answer.kind === "unknown" ? 0 : 1))) return true;
        path.pop();
        taken.delete(i);
      }
    }
    return false;
  };
  return search(NEW_TAG, 0) ? path : undefined;
}

function at(events: readonly TagEvent[], i: number): TagEvent {
  const event = events[i];
  if (event === undefined) throw new RangeError(`There is no event ${i}.`);
  return event;
}
