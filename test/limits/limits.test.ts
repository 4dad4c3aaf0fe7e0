import fc from "fast-check";
import { expect, test } from "vitest";
import {
  Bucket,
  CONNECTION_LIMITS,
  Connections,
  DEFAULT_QUOTA,
  newPeer,
  type Peer,
  QuotaSchema,
  quotaFrom,
  Use,
} from "../../daemon/limits/index.ts";

function clock() {
  let ms = 0;
  return {
    now: () => ms,
    pass: (by: number) => {
      ms += by;
    },
  };
}

const FREE = quotaFrom({ connections: 0, calls_per_s: 0 });

const peer = (address: string, sinceMs = 0): Peer => newPeer(address, sinceMs);

test("a bucket never gives more than its burst and what has flowed in", () => {
  const step = fc.record({ pass: fc.nat(500), take: fc.integer({ min: 1, max: 5 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), fc.integer({ min: 1, max: 20 }), (steps, burst) => {
      const { now, pass } = clock();
      const bucket = new Bucket(burst, 10, now);
      let taken = 0;
      for (const { pass: ms, take } of steps) {
        pass(ms);
        if (bucket.take(take)) taken += take;
        expect(taken).toBeLessThanOrEqual(burst + now() / 100 + 1e-6);
      }
      const wait = bucket.waitMs(1);
      pass(wait + 0.001);
      expect(bucket.take(1)).toBe(true);
    }),
  );
});

test("who owes waits as long as it takes to pay", () => {
  const { now, pass } = clock();
  const bucket = new Bucket(100, 100, now);
  expect(bucket.owe(100)).toBe(0);
  expect(bucket.owe(50)).toBeCloseTo(500);
  pass(500);
  expect(bucket.owe(0)).toBeCloseTo(0);
});

test("connections without proof are few for an address, make room for newer ones, and are late after a time", () => {
  const { now, pass } = clock();
  const limits = { ...CONNECTION_LIMITS, unproved: 3, unprovedPerAddress: 2, burst: 100 };
  const all = new Connections(limits, now);
  const first = peer("a");
  expect(all.refuse("a")).toBeUndefined();
  expect(all.add(first)).toBeUndefined();
  all.add(peer("a"));
  expect(all.refuse("a")).toBe("TOO_MANY_CONNECTIONS");
  expect(all.refuse("b")).toBeUndefined();
  all.add(peer("b"));
  expect(all.add(peer("c"))).toBe(first);
  all.remove(first);
  expect(all.refuse("a")).toBeUndefined();
  const late = peer("d", now());
  expect(all.overdue(late, 10)).toBeUndefined();
  expect(all.overdue(late, limits.proofBytes + 1)).toBe("TOO_MUCH_UNPROVED");
  pass(limits.proofMs + 1);
  expect(all.overdue(late, 10)).toBe("NO_PROOF_IN_TIME");
});

test("a flood of new connections is refused, whosever; one whose address is known comes in still", () => {
  const { now } = clock();
  const all = new Connections<Peer>(CONNECTION_LIMITS, now);
  const known = peer("trainer");
  expect(all.refuse("trainer")).toBeUndefined();
  all.add(known);
  all.prove(known, "ann", DEFAULT_QUOTA);
  let taken = 0;
  for (let i = 0; i < 10_000; i++) if (all.refuse(`10.0.${i >> 8}.${i & 255}`) === undefined) taken++;
  expect(taken).toBeLessThanOrEqual(CONNECTION_LIMITS.burst);
  expect(all.refuse("trainer")).toBeUndefined();
  expect(all.isTooRefused(known)).toBe(false);
});

test("refusals close a connection without proof soon, one with proof only where they go on and on", () => {
  const { now, pass } = clock();
  const all = new Connections<Peer>(CONNECTION_LIMITS, now);
  const stranger = peer("a");
  const known = peer("b");
  for (const each of [stranger, known]) all.add(each);
  for (let i = 1; i < CONNECTION_LIMITS.refusals; i++) expect(all.isTooRefused(stranger)).toBe(false);
  expect(all.isTooRefused(stranger)).toBe(true);
  all.prove(known, "ann", DEFAULT_QUOTA);
  for (let hour = 0; hour < 100; hour++) {
    for (let i = 0; i < 20; i++) expect(all.isTooRefused(known)).toBe(false);
    pass(60_000);
  }
  for (let i = 0; i < 1000; i++) {
    expect(all.isTooMany(known)).toBe(false);
    pass(1000 / 300);
  }
  for (let i = 0; i < CONNECTION_LIMITS.unprovedCalls; i++) expect(all.isTooMany(stranger)).toBe(false);
  expect(all.isTooMany(stranger)).toBe(true);
  let flood = 0;
  while (!all.isTooMany(known)) flood++;
  expect(flood).toBe(CONNECTION_LIMITS.callBurst);
  let calls = 0;
  while (!all.isTooRefused(known)) calls++;
  expect(calls).toBe(CONNECTION_LIMITS.refusalsProved);
});

test("connections of a principal are counted wherever they come from, and one that goes makes room", () => {
  const { now } = clock();
  const all = new Connections<Peer>(CONNECTION_LIMITS, now);
  const quota = quotaFrom({ connections: 2 });
  const [first, second, third, other] = [peer("a"), peer("b"), peer("c"), peer("d")];
  for (const each of [first, second, third, other]) all.add(each);
  expect(all.prove(first, "ann", quota)).toBe(true);
  expect(all.prove(first, "ann", quota)).toBe(true);
  expect(all.prove(second, "ann", quota)).toBe(true);
  expect(all.prove(third, "ann", quota)).toBe(false);
  expect([...all.unproved]).toEqual([third, other]);
  expect(all.prove(other, "bob", quota)).toBe(true);
  all.remove(first);
  expect(all.prove(third, "ann", quota)).toBe(true);
});

test("of a principal whose connections begin too many calls together those go that begin most", () => {
  const { now, pass } = clock();
  const all = new Connections<Peer>(CONNECTION_LIMITS, now);
  const quota = quotaFrom({ calls: 10, calls_per_s: 20 });
  const [quiet, ...greedy] = Array.from({ length: 11 }, (_, i) => peer(`h${i}`));
  const bystander = peer("elsewhere");
  if (quiet === undefined) throw new Error("none");
  for (const each of [quiet, ...greedy]) {
    all.add(each);
    all.prove(each, "ann", quota);
  }
  all.add(bystander);
  all.prove(bystander, "bob", quota);
  const gone = new Set<Peer>();
  for (let round = 0; round < 60; round++) {
    for (const each of greedy) if (!gone.has(each) && all.isTooMany(each)) gone.add(each);
    if (round % 10 === 0) expect(all.isTooMany(quiet)).toBe(false);
    expect(all.isTooMany(bystander)).toBe(false);
    pass(20);
  }
  expect(gone.size).toBe(greedy.length);
  // A new one that has begun many calls before its proof is none of the few.
  const late = peer("h1");
  late.calls = 100;
  all.add(late);
  all.prove(late, "ann", quota);
  expect(all.isCrowding(late, late.calls)).toBe(true);
  pass(60_000);
  for (let i = 0; i < 50; i++) expect(all.isTooMany(quiet)).toBe(false);
});

test("calls before a proof are few for an address, on however many connections they come", () => {
  const { now, pass } = clock();
  const all = new Connections<Peer>(CONNECTION_LIMITS, now);
  const { unprovedCalls, unprovedCallBurst } = CONNECTION_LIMITS;
  let taken = 0;
  for (let i = 0; i < 40; i++) {
    const each = peer("a");
    all.add(each);
    for (let call = 0; call < unprovedCalls; call++) if (!all.isTooMany(each)) taken++;
  }
  expect(taken).toBe(unprovedCallBurst);
  expect(all.isTooMany(peer("b"))).toBe(false);
  pass(1000);
  expect(all.isTooMany(peer("a"))).toBe(false);
});

test("who was sent away comes back no faster than a stranger", () => {
  const { now } = clock();
  const all = new Connections<Peer>(CONNECTION_LIMITS, now);
  let times = 0;
  while (all.refuse("a") === undefined && times < 1000) {
    const again = peer("a");
    all.add(again);
    all.prove(again, "ann", FREE);
    all.punish(again);
    all.remove(again);
    times++;
  }
  expect(times).toBe(CONNECTION_LIMITS.burstPerAddress);
});

test("whatever happens, connections are counted right", () => {
  const deed = fc.record({ deed: fc.constantFrom("add", "prove", "remove", "evict"), at: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 200, size: "max" }), (deeds) => {
      const { now } = clock();
      const limits = {
        ...CONNECTION_LIMITS,
        unproved: 5,
        unprovedPerAddress: 5,
        provedPerAddress: 5,
        connections: 8,
      };
      const all = new Connections<Peer>({ ...limits, burst: 1e6, burstPerAddress: 1e6 }, now);
      const open: Peer[] = [];
      for (const { deed, at } of deeds) {
        const one = open[at % Math.max(open.length, 1)];
        const host = `h${at % 3}`;
        const own = open.filter(({ address }) => address === host);
        const strangers = own.filter(({ proved }) => !proved).length;
        const full = open.length >= 8 || strangers >= 5 || own.length - strangers >= 5;
        expect(all.refuse(host) === undefined).toBe(!full);
        if (deed === "add" && !full) {
          const added = peer(host);
          open.push(added);
          const gone = all.add(added);
          if (gone === undefined) continue;
          open.splice(open.indexOf(gone), 1);
          all.remove(gone);
          all.remove(gone);
        } else if (deed === "prove" && one !== undefined) all.prove(one, one.address, FREE);
        else if (deed === "remove" && one !== undefined) {
          open.splice(open.indexOf(one), 1);
          all.remove(one);
        }
        expect(open.length).toBeLessThanOrEqual(8);
        expect(all.unproved.size).toBe(open.filter(({ proved }) => !proved).length);
      }
      for (const one of open) all.remove(one);
      expect(all.unproved.size).toBe(0);
      expect(all.refuse("h0")).toBeUndefined();
    }),
  );
});

test("a quota fills its gaps, 0 lifts a limit, and what is no quota is refused", () => {
  expect(quotaFrom(QuotaSchema.parse({ calls: 3 }))).toEqual({ ...DEFAULT_QUOTA, calls: 3 });
  for (const wrong of [{ call: 3 }, { calls: -1 }, { calls: 1.5 }, { mb_per_s: "1" }]) {
    expect(QuotaSchema.safeParse(wrong).success).toBe(false);
  }
  const { now } = clock();
  const free = new Use(
    quotaFrom({ calls: 0, calls_per_s: 0, runs_per_minute: 0, changes_per_minute: 0, mb_per_s: 0 }),
    now,
  );
  for (let i = 0; i < 1000; i++) expect(free.begin(true)).toBeUndefined();
  expect(free.owe(1e6, 1e9, 1e12)).toBe(0);
  expect(free.runWaitMs()).toBe(0);
  for (let i = 0; i < 1000; i++) expect(free.turnMs()).toBe(0);
});

test("calls, changes, runs and stored bytes of a principal end at its quota, with the time to wait", () => {
  const { now, pass } = clock();
  const use = new Use(
    quotaFrom({
      calls: 2,
      calls_per_s: 10,
      changes_per_minute: 3,
      runs_per_minute: 60,
      points_per_s: 100,
      model_gb_per_day: 1,
    }),
    now,
  );
  expect(use.begin(false)).toBeUndefined();
  expect(use.begin(false)).toBeUndefined();
  expect(use.begin(false)).toEqual({ limit: "calls", waitMs: 1000 });
  use.end();
  use.end();
  for (let i = 0; i < 3; i++) {
    expect(use.begin(true)).toBeUndefined();
    use.end();
  }
  expect(use.begin(true)).toEqual({ limit: "changes_per_minute", waitMs: 20_000 });
  for (let i = 0; i < 10; i++) expect(use.turnMs()).toBe(0);
  expect(use.turnMs()).toBeCloseTo(100);
  expect(use.owe(60, 100, 10)).toBe(0);
  expect(use.runWaitMs()).toBeCloseTo(1000);
  expect(use.owe(0, 200, 10)).toBeCloseTo(2000);
  pass(60_000);
  expect(use.runWaitMs()).toBe(0);
  const day = Date.UTC(2026, 0, 1);
  expect(use.store(9e8, day)).toBeUndefined();
  expect(use.store(2e8, day + 3_600_000)).toEqual({ limit: "model_gb_per_day", waitMs: 23 * 3_600_000 });
  expect(use.store(2e8, day + 86_400_000)).toBeUndefined();
});
