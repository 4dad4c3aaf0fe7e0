import { expect, test } from "vitest";
import { type HandOverQuestions, makePlace } from "../../daemon/lifecycle/hand-over.ts";

const NEWER = { version: "1.3.0", protocolMax: 4 };

/** A daemon that nobody uses, but for what is given. */
function daemon(given: Partial<HandOverQuestions> = {}): HandOverQuestions & { readonly left: () => number } {
  let left = 0;
  return {
    own: { version: "1.2.9", protocolMax: 4 },
    staysForGood: false,
    draining: () => false,
    openCalls: () => 1,
    livingRuns: () => 0,
    caughtUp: async () => undefined,
    leave: () => {
      left++;
    },
    left: () => left,
    ...given,
  };
}

test("a daemon that nobody uses leaves for a newer one", async () => {
  const unused = daemon();
  expect(await makePlace(NEWER, unused)).toEqual({ leaving: true });
  expect(unused.left()).toBe(1);
});

test.each([
  ["1.2.10", 4, true],
  ["2.0.0", 4, true],
  ["1.2.9", 4, false],
  ["1.1.10", 4, false],
  ["0.9.99", 4, false],
  ["1.2.9", 5, true],
  ["9.9.9", 3, false],
  ["", 4, false],
  ["1.10", 4, false],
  ["newest", 4, false],
])("version %j with protocol %i is newer than 1.2.9 with 4: %j", async (version, protocolMax, newer) => {
  const unused = daemon();
  expect(await makePlace({ version, protocolMax }, unused)).toMatchObject({ leaving: newer });
  expect(unused.left()).toBe(newer ? 1 : 0);
});

test.each<[string, Partial<HandOverQuestions>, string, boolean]>([
  ["a run lives", { livingRuns: () => 1 }, "1 run of living processes would lose it.", true],
  ["runs live", { livingRuns: () => 3 }, "3 runs of living processes would lose it.", true],
  ["another call is open", { openCalls: () => 2 }, "1 call of others would break off.", true],
  ["it is run by somebody", { staysForGood: true }, "whoever runs it must restart it", false],
])("it stays while %s", async (_, given, reason, later) => {
  const used = daemon(given);
  const decision = await makePlace(NEWER, used);
  expect(decision).toMatchObject({ leaving: false, reason: expect.stringContaining(reason), later });
  expect(used.left()).toBe(0);
});

test("one that drains already leaves once", async () => {
  const draining = daemon({ draining: () => true });
  expect(await makePlace(NEWER, draining)).toEqual({ leaving: true });
  expect(draining.left()).toBe(0);
});

test("a run that was journaled a moment ago counts", async () => {
  let living = 0;
  const busy = daemon({
    livingRuns: () => living,
    caughtUp: async () => {
      living = 1;
    },
  });
  expect(await makePlace(NEWER, busy)).toMatchObject({ leaving: false, later: true });
});
