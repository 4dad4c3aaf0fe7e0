/** What a process that dies in the middle of a move leaves to the attempt after it, and how far back that looks. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { PipekitError } from "@pipekit/proto";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Clock } from "../../daemon/registry/collecting/clock.ts";
import { MadeMoves } from "../../daemon/registry/made-moves.ts";
import {
  decodeLog,
  decodeTag,
  encodeLog,
  encodeTag,
  type LoggedMove,
} from "../../daemon/registry/tag-file.ts";
import { gc, NOTHING_KEPT } from "../contract/registry-gc.ts";
import { inProcess, move, never, registriesAt, storeText } from "../contract/registry-harness.ts";
import { DyingRegistry } from "../support/dying-registry.ts";

const MINE = "01JZ0000000000000000000001";
const HOUR_MS = 3_600_000;

test("a daemon that dies after the tag has moved, and before it is logged, has made the move", async () => {
  const { registry, root, staging, close } = await inProcess();
  try {
    const [a, b] = [await storeText(registry, "a"), await storeText(registry, "b")];
    await registry.tag(move("prod", a), never);
    const dying = new DyingRegistry();
    const daemon = await registriesAt({ kinds: [dying], env: {} }, `local:${root}`, staging).open("");
    dying.before = async (key) => {
      if (key.startsWith("_log/prod/") && key.endsWith("2.json")) dying.left = 0;
    };
    const request = move("prod", b, { force: true, moveId: MINE });
    await expect(daemon.tag(request, never)).rejects.toThrow("died at _log");
    expect((await registry.resolve("prod", never)).hash).toBe(b);

    // Nobody else moves it: the tag itself tells.
    const made = await registry.tag(request, never);
    expect(made).toMatchObject({ seq: 2, hash: b, previousHash: a });
    expect(await readdir(join(root, "_log/prod"))).toHaveLength(2);
    // Somebody else does: the log tells, as whoever moves it has logged the move before.
    await registry.tag(move("prod", a, { force: true }), never);
    expect(await registry.tag(request, never)).toEqual(made);
    const { moves } = await registry.tagHistory("prod", { pageSize: 0, pageToken: "" }, never);
    expect(moves.map(({ seq, hash }) => [seq, hash])).toEqual([
      [3, a],
      [2, b],
      [1, a],
    ]);
    for await (const finding of registry.verify([], never)) expect(finding.problems).toEqual([]);
  } finally {
    await close();
  }
});

test("an attempt that is overtaken by the next one, at another daemon, moves nothing", async () => {
  const { registry, root, staging, close } = await inProcess();
  try {
    const [a, b] = [await storeText(registry, "a"), await storeText(registry, "b")];
    await registry.tag(move("prod", a), never);
    const slow = new DyingRegistry();
    const daemon = await registriesAt({ kinds: [slow], env: {} }, `local:${root}`, staging).open("");
    const request = move("prod", b, { force: true, moveId: MINE });
    let overtaking: unknown;
    slow.before = async (key) => {
      if (key !== "_tags/prod.txt" || overtaking !== undefined) return;
      overtaking = await registry.tag(request, never);
      await registry.tag(move("prod", a, { force: true }), never);
    };
    const made = await daemon.tag(request, never);
    expect(made).toMatchObject({ seq: 2, hash: b });
    expect(overtaking).toEqual(made);
    expect((await registry.resolve("prod", never)).move).toMatchObject({ seq: 3, hash: a });
  } finally {
    await close();
  }
});

test("a move that was undone, as its model was gone, is not told as made", async () => {
  const { registry, close } = await inProcess();
  try {
    const [a, b] = [await storeText(registry, "a"), await storeText(registry, "b")];
    const request = move("prod", a, { moveId: MINE });
    await registry.tag(request, never);
    await registry.tag(move("prod", b, { force: true }), never);
    await gc(registry, NOTHING_KEPT, true);
    await expect(registry.tag(request, never)).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  } finally {
    await close();
  }
});

test("the id is in tag and log when there is one, and older files have none", () => {
  const plain = entry(2, "");
  expect(encodeTag(plain).toString()).not.toContain("id:");
  expect(encodeLog(plain).toString()).not.toContain('"id"');
  for (const one of [plain, entry(2, MINE)]) {
    expect(decodeTag("t", encodeTag(one))).toEqual(one);
    expect(decodeLog("t", encodeLog(one))).toEqual(one);
  }
  expect(encodeTag(entry(2, MINE)).toString().split("\n").slice(-3)).toEqual([
    "principal: ",
    `id: ${MINE}`,
    "",
  ]);
});

/** Move number `seq`, made `atMs` after the epoch. */
function entry(seq: number, moveId: string, atMs = seq): LoggedMove {
  const known = { name: "t", hash: "a".repeat(64), previousHash: "", actor: "", reason: "", principal: "" };
  return { ...known, seq, atUs: atMs * 1000, nonce: `n${seq}`, moveId };
}

/** A tag's moves as they are made, who looks them up, and what that reads. */
class Log {
  readonly moves: LoggedMove[] = [];
  readonly damaged = new Set<number>();
  reads = 0;
  nowMs = 0;
  readonly clock = { unixMs: () => this.nowMs } as Clock;

  add(moveId: string): LoggedMove {
    const made = entry(this.moves.length + 1, moveId, this.nowMs);
    this.moves.push(made);
    return made;
  }

  looker(): (moveId: string) => Promise<LoggedMove | undefined> {
    const made = new MadeMoves(async (_, seq) => {
      this.reads += 1;
      if (this.damaged.has(seq)) throw new PipekitError("CORRUPT_MODEL", "damaged");
      return this.moves[seq - 1];
    }, this.clock);
    return async (moveId) => {
      const last = this.moves.at(-1);
      return last && made.find(last, moveId, never);
    };
  }
}

test("a tag that has not moved for an hour costs no read, and each entry is read once", async () => {
  const log = new Log();
  for (let i = 0; i < 100; i++) log.add(`call-${i}`);
  log.nowMs = HOUR_MS + 1;
  const find = log.looker();
  expect(await find("another-call")).toBeUndefined();
  expect(log.reads).toBe(0);
  for (let i = 0; i < 40; i++) log.add(`later-${i}`);
  expect(await find("another-call")).toBeUndefined();
  const first = log.reads;
  expect(first).toBeGreaterThanOrEqual(39);
  expect(await find("another-call")).toBeUndefined();
  log.add("one-more");
  expect(await find("another-call")).toBeUndefined();
  expect(log.reads).toBe(first);
});

test("it is found for an hour and 1000 moves, past damaged entries", async () => {
  const log = new Log();
  const mine = log.add(MINE);
  log.add("damaged-one");
  log.damaged.add(2);
  for (let i = 0; i < 900; i++) log.add(`call-${i}`);
  log.nowMs = HOUR_MS - 1;
  log.add("the-last-call");
  expect(await log.looker()(MINE)).toEqual(mine);
  const kept = log.looker();
  await kept("another-call");
  log.nowMs = HOUR_MS + 1;
  expect(await log.looker()(MINE)).toBeUndefined();
  for (let i = 0; i < 1100; i++) {
    log.add(`more-${i}`);
    await kept("another-call");
  }
  expect(await kept(MINE)).toBeUndefined();
  expect(await kept("more-101")).toMatchObject({ moveId: "more-101" });
});

test("any interleaving of moves and looks by several daemons finds what is in reach", async () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant("move" as const), withId: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("look" as const), by: fc.nat(2), back: fc.nat(60) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(HOUR_MS / 4) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("many" as const), count: fc.nat(50) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const log = new Log();
      const lookers = [log.looker(), log.looker(), log.looker()];
      for (const each of steps) {
        if (each.do === "wait") log.nowMs += each.ms;
        else if (each.do === "move") log.add(each.withId ? `call-${log.moves.length}` : "");
        else if (each.do === "many") for (let i = 0; i < each.count; i++) log.add(`many-${log.moves.length}`);
        else {
          const wanted = log.moves.at(-1 - each.back);
          if (wanted === undefined || wanted.moveId === "") continue;
          const found = await lookers[each.by]?.(wanted.moveId);
          if (wanted.atUs >= (log.nowMs - HOUR_MS) * 1000) expect(found).toEqual(wanted);
          else expect([wanted, undefined]).toContainEqual(found);
          expect(await lookers[each.by]?.("a-call-of-nobody")).toBeUndefined();
        }
      }
    }),
    { numRuns: 300 },
  );
});
