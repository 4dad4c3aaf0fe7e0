import fc from "fast-check";
import { expect, test } from "vitest";
import { NodeJournal, Ticks } from "./node.ts";

const NODES = 3;
const RANKS = 4;
const node = fc.nat(NODES - 1);
/** `member` chooses among those of the node. */
const ofMember = { node, member: fc.nat(5) };
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("join" as const), node, rank: fc.nat(RANKS - 1) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("log" as const), ...ofMember }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("end" as const), ...ofMember, failed: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("killed" as const), ...ofMember }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("sample" as const), node }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("take" as const), node }) },
);
const order = fc.shuffledSubarray([0, 1, 2], { minLength: NODES });

/** Three daemons journal what ranks do, a fourth takes in some of it meanwhile, and all of it afterwards. */
function play(steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) {
  const ticks = new Ticks();
  const nodes = Array.from({ length: NODES }, () => new NodeJournal());
  const early = new NodeJournal();
  const samplers = nodes.map(() => ticks.writerId());
  for (const one of steps) {
    const there = nodes[one.node] as NodeJournal;
    const members = [...there.members.keys()];
    if (one.kind === "join") there.join(ticks.writerId(), one.rank, ticks.next());
    else if (one.kind === "take") early.take(there);
    else if (one.kind === "sample" && members.length > 0)
      there.log(samplers[one.node] as string, ticks.next());
    else if ("member" in one && members.length > 0) {
      const writerId = members[one.member % members.length] as string;
      if (one.kind === "log") there.log(writerId, ticks.next());
      else if (one.kind === "end") there.end(writerId, one.failed, ticks.next());
      else there.end(ticks.writerId(), true, ticks.next(), writerId);
    }
  }
  return { nodes, early };
}

function union(nodes: readonly NodeJournal[]): Map<string, string> {
  return new Map(nodes.flatMap((one) => [...one.contents()]).sort());
}

test("whatever the order in which journals of nodes are merged, and however often, the run is their union", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), order, order, fc.boolean(), (steps, one, other, again) => {
      const { nodes, early } = play(steps);
      const late = new NodeJournal();
      for (const i of one) early.take(nodes[i] as NodeJournal);
      for (const i of other) late.take(nodes[i] as NodeJournal);
      if (again) for (const i of one) late.take(nodes[i] as NodeJournal);
      // Journals that were merged can be merged again.
      const third = new NodeJournal();
      third.take(late);
      third.take(early);
      const expected = union(nodes);
      for (const merged of [early, late, third]) {
        expect(new Map([...merged.contents()].sort())).toEqual(expected);
        expect(merged.run()).toEqual(early.run());
        expect(merged.faults()).toEqual([]);
      }
      for (const here of nodes) expect(here.faults()).toEqual([]);
    }),
    { numRuns: Number(process.env["PKX_FAN_IN_RUNS"] ?? 300) },
  );
});

test("the run of a group is that of its lowest rank, and ends as its members have", () => {
  const journal = new NodeJournal();
  const [two, zero, later] = ["01A", "01B", "01C"].map((text) => text.padEnd(26, "0")) as [
    string,
    string,
    string,
  ];
  expect(journal.join(two, 2, 7)).toBe("appended");
  expect(journal.run()).toMatchObject({ state: "running", start: { startedAtUs: 7, configJson: "{}" } });
  expect(journal.join(zero, 0, 9)).toBe("appended");
  expect(journal.run()).toMatchObject({
    start: { startedAtUs: 9, configJson: '{"lr":1}' },
    tags: { by: "zero" },
  });
  journal.end(zero, false, 20);
  expect(journal.run()).toMatchObject({ state: "running", endedAtUs: 0 });
  journal.end(two, true, 30);
  expect(journal.run()).toMatchObject({ state: "failed", reason: "rank 2: at 30", endedAtUs: 30 });
  expect(journal.log(zero, 1)).toBe("RUN_ENDED");
  // Rank 2 is started again: it goes on, and what it did before no longer counts.
  journal.join(later, 2, 40);
  expect(journal.run()).toMatchObject({ state: "running", reason: "" });
  journal.end(later, false, 50);
  expect(journal.run()).toMatchObject({ state: "completed", reason: "", endedAtUs: 50 });
  expect(journal.faults()).toEqual([]);
});

test("a member that never ended and was started anew elsewhere does not keep the run from ending, nor is it cut off", () => {
  const journal = new NodeJournal();
  const [lost, again] = ["01A".padEnd(26, "0"), "01B".padEnd(26, "0")] as const;
  journal.join(lost, 1, 1);
  journal.join(again, 1, 2);
  journal.end(again, false, 9);
  expect(journal.run()).toMatchObject({ state: "completed", endedAtUs: 9 });
  // The journal of its node turns up.
  expect(journal.log(lost, 1)).toBe("appended");
  expect(journal.end(lost, true, 5)).toBe("appended");
  expect(journal.run()).toMatchObject({ state: "completed", endedAtUs: 9, points: 1 });
  expect(journal.faults()).toEqual([]);
});

test("the end that a stranger writes is that of every member that has not ended", () => {
  const journal = new NodeJournal();
  const [zero, one] = ["01A".padEnd(26, "0"), "01B".padEnd(26, "0")] as const;
  journal.join(zero, 0, 1);
  journal.join(one, 1, 2);
  journal.end(zero, false, 3);
  journal.end("01C".padEnd(26, "0"), true, 4);
  expect(journal.run()).toMatchObject({ state: "failed", reason: "rank 1: at 4" });
  expect(journal.faults()).toEqual([]);
});
