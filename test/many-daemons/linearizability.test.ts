/** The checker itself: it agrees with trying every order, and finds what it is there to find. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { linearize, outcomes, type TagEvent, type TagState } from "../support/linearizability.ts";

const HASHES = ["a", "b", ""] as const;
const REFUSALS = ["TAG_CONFLICT", "TAG_EXISTS", "REF_NOT_FOUND"] as const;

function move(begun: number, ended: number, hash: string, seq: number): TagEvent {
  const call = { kind: "move", hash, expected: "", force: true } as const;
  return { call, answer: { kind: "stands", seq, hash }, begun, ended };
}

function read(begun: number, ended: number, hash: string, seq: number): TagEvent {
  return { call: { kind: "read" }, answer: { kind: "stands", seq, hash }, begun, ended };
}

/** Every order that keeps to the times, and every choice of unknown calls that never took effect. */
function anyOrder(events: readonly TagEvent[], state: TagState = { seq: 0, hash: "" }): boolean {
  if (events.every(({ answer }) => answer.kind === "unknown")) return true;
  return events.some((event, i) => {
    const others = events.filter((_, k) => k !== i);
    if (others.some(({ ended }) => ended < event.begun)) return false;
    return outcomes(state, event).some((next) => anyOrder(others, next));
  });
}

const time = fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 1, max: 6 }));
const call = fc.oneof(
  fc.constant({ kind: "read" } as const),
  fc.record({
    kind: fc.constant("move" as const),
    hash: fc.constantFrom(...HASHES),
    expected: fc.constantFrom(...HASHES),
    force: fc.boolean(),
  }),
);
const answer = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("stands" as const),
      seq: fc.nat(3),
      hash: fc.constantFrom(...HASHES),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("refused" as const),
      code: fc.constantFrom(...REFUSALS),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "unknown" } as const) },
);
const anything = fc.tuple(call, answer, time).map(
  ([call, answer, [begun, length]]): TagEvent => ({
    call,
    answer,
    begun,
    ended: answer.kind === "unknown" ? Number.POSITIVE_INFINITY : begun + length,
  }),
);

/** What a real register might show: calls that take effect at their middle, some of whose answers are then changed. */
const plausible = fc
  .array(fc.tuple(call, time, fc.boolean()), { maxLength: 6 })
  .chain((calls) => fc.tuple(fc.constant(calls), fc.option(fc.tuple(fc.nat(5), answer))))
  .map(([calls, changed]) => {
    let state: TagState = { seq: 0, hash: "" };
    const inOrder = calls.toSorted(([, [a, la]], [, [b, lb]]) => a + la / 2 - (b + lb / 2));
    const events = inOrder.map(([call, [begun, length], lost]): TagEvent => {
      const told = REFUSALS.find(
        (code) => outcomes(state, { call, answer: { kind: "refused", code } }).length > 0,
      );
      if (call.kind === "move" && told === undefined && state.hash !== call.hash) {
        state = { seq: state.seq + 1, hash: call.hash };
      }
      const seq = call.kind === "read" && state.hash === "" ? 0 : state.seq;
      if (lost && call.kind === "move") {
        return { call, answer: { kind: "unknown" }, begun, ended: Number.POSITIVE_INFINITY };
      }
      const stands = { kind: "stands", seq, hash: state.hash } as const;
      return { call, answer: told ? { kind: "refused", code: told } : stands, begun, ended: begun + length };
    });
    if (changed === null) return events;
    const [place, answer] = changed;
    return events.map((event, i) =>
      i === place && event.answer.kind !== "unknown" && answer.kind !== "unknown"
        ? { ...event, answer }
        : event,
    );
  });

describe("the checker", () => {
  test("agrees with trying every order", () => {
    const seen = { yes: 0, no: 0 };
    fc.assert(
      fc.property(fc.oneof(plausible, fc.array(anything, { maxLength: 5 })), (events) => {
        const order = linearize(events);
        expect(order !== undefined).toBe(anyOrder(events));
        seen[order ? "yes" : "no"] += 1;
      }),
      { numRuns: 3000 },
    );
    expect(seen.yes).toBeGreaterThan(300);
    expect(seen.no).toBeGreaterThan(300);
  });

  test("accepts what overlaps, in either order", () => {
    expect(linearize([move(0, 10, "a", 1), read(1, 2, "a", 1), read(1, 2, "", 0)])).toEqual([2, 0, 1]);
  });

  test.each([
    [
      "a read that is older than a move that had ended",
      [move(0, 1, "a", 1), move(2, 3, "b", 2), read(4, 5, "a", 1)],
    ],
    ["two moves with one number", [move(0, 1, "a", 1), move(0, 1, "b", 1)]],
    ["a move that is lost", [move(0, 1, "a", 1), move(2, 3, "b", 1)]],
    ["a move that was made twice", [move(0, 1, "a", 1), move(2, 3, "b", 3)]],
    ["two reads that go back", [move(0, 9, "a", 1), read(1, 2, "a", 1), read(3, 4, "", 0)]],
  ])("finds %s", (_, events) => {
    expect(linearize(events)).toBeUndefined();
  });

  test("gives a call without an answer its effect late, or never", () => {
    const lost: TagEvent = {
      ...move(0, 1, "a", 1),
      answer: { kind: "unknown" },
      ended: Number.POSITIVE_INFINITY,
    };
    expect(linearize([lost, read(5, 6, "", 0), read(7, 8, "a", 1)])).toEqual([1, 0, 2]);
    expect(linearize([lost, read(5, 6, "", 0)])).toEqual([1]);
    expect(linearize([lost, read(5, 6, "a", 1), read(7, 8, "", 0)])).toBeUndefined();
  });
});
