import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type ReadSinkEntry, salvage, verify } from "../../daemon/journal/index.ts";
import { openForReading, openForWriting } from "../../daemon/journal/schema.ts";
import { sinkReader } from "../../daemon/journal/sinks.ts";
import { seeded } from "../support/random.ts";
import { contentOf, damage, placedFrames, richJournal } from "./damage.ts";

const ROUNDS = Number(process.env["PKX_DAMAGE_ROUNDS"] ?? 40);
const SEED = Number(process.env["PKX_DAMAGE_SEED"] ?? 1);

test("a sound journal is verified and salvaged whole", async () => {
  const rich = await richJournal();
  expect(await verify(rich.file)).toMatchObject({ faults: [], notes: [], runs: 5 });
  const into = join(rich.folder, "salvaged");
  mkdirSync(into);
  const report = await salvage(rich.file, join(into, "journal.db"));
  expect(report).toMatchObject({ runs: 5, lostFrames: [], reasons: [] });
  expect(await verify(join(into, "journal.db"))).toMatchObject({ faults: [], notes: [], runs: 5 });
  expect(await contentOf(join(into, "journal.db"), rich)).toEqual(await contentOf(rich.file, rich));
});

test("damage is found or harmless; salvage keeps every frame that was not hit and alters none", async () => {
  const rich = await richJournal();
  const good = readFileSync(rich.file);
  const frames = placedFrames(rich.file);
  const content = await contentOf(rich.file, rich);
  const sinks = sinksOf(rich.file);
  const seen = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const damaged = damage(good, seeded(SEED * 1_000_003 + round));
    const what = `${damaged.kind} of round ${round}`;
    const folder = join(rich.folder, "damaged");
    const into = join(rich.folder, "into");
    for (const path of [folder, into]) {
      rmSync(path, { recursive: true, force: true });
      mkdirSync(path);
    }
    writeFileSync(join(folder, "journal.db"), damaged.bytes);
    const found = await verify(join(folder, "journal.db"));
    const copy = join(rich.folder, "copy");
    rmSync(copy, { recursive: true, force: true });
    mkdirSync(copy);
    writeFileSync(join(copy, "journal.db"), damaged.bytes);
    if (found.faults.length === 0)
      expect(await contentOf(join(copy, "journal.db"), rich), what).toEqual(content);
    const outcome = found.faults.length === 0 ? "harmless" : "found";
    seen.set(`${damaged.kind} ${outcome}`, (seen.get(`${damaged.kind} ${outcome}`) ?? 0) + 1);
    const report = await salvage(join(folder, "journal.db"), join(into, "journal.db"));
    const kept = placedFrames(join(into, "journal.db"));
    for (const [position, { body }] of kept)
      expect(body, `${what}, position ${position}`).toBe(frames.get(position)?.body);
    for (const [position, { pages }] of frames) {
      if (![...pages].some(damaged.hit))
        expect(kept.has(position), `${what}, position ${position}`).toBe(true);
    }
    expect(await verify(join(into, "journal.db")), what).toMatchObject({ faults: [], frames: report.frames });
    if (found.faults.length === 0) expect(report.frames, what).toBe(frames.size);
    checkSinks(join(into, "journal.db"), sinks, what);
  }
  if (process.env["PKX_DAMAGE_ROUNDS"] !== undefined) console.log(seen);
});

test("a sink counts the points that are left, and begins anew where the frame it had begun is lost", async () => {
  const rich = await richJournal();
  const begun = sinksOf(rich.file).find(({ cursor }) => cursor.offset > 0);
  if (begun === undefined) throw new Error("no sink stands within a frame");
  const { runId, spec, cursor } = begun;
  const db = openForWriting(rich.file);
  const framesOf = "FROM frames JOIN runs ON number = run WHERE run_id = ? AND position";
  const first = db.prepare(`SELECT position, frames.points ${framesOf} <= ? AND frames.points > 0 LIMIT 1`);
  const { position, points } = first.get(runId, cursor.position) as { position: number; points: number };
  const next = db.prepare(`SELECT min(position) AS position ${framesOf} > ?`).get(runId, cursor.position);
  const sumUpTo = Number(
    db.prepare(`SELECT sum(frames.points) AS points ${framesOf} <= ?`).get(runId, cursor.position)?.[
      "points"
    ],
  );
  const lost = [position, Number(next?.["position"])].sort((a, b) => a - b);
  const spoil = db.prepare("UPDATE frames SET body = zeroblob(length(body)) WHERE position = ?");
  for (const one of lost) spoil.run(one);
  db.close();
  const report = await salvage(rich.file, join(rich.folder, "into.db"));
  expect(report.lostFrames.flatMap(({ from, to }) => (from === to ? [from] : [from, to]))).toEqual(lost);
  const after = sinksOf(join(rich.folder, "into.db")).find(
    (sink) => sink.runId === runId && sink.spec === spec,
  );
  expect(after).toMatchObject({ cursor: { position: cursor.position, offset: 0 }, remoteId: begun.remoteId });
  expect(after?.pointsDead).toBe(begun.pointsDead);
  const offset = begun.pointsSent + begun.pointsDead - sumUpTo;
  expect([0, 1]).toContain(offset);
  expect((after?.pointsSent ?? 0) + begun.pointsDead).toBe(sumUpTo - points);
});

/** The cursor of every sink that was kept is where it was, but for a frame that was begun and is lost. */
function checkSinks(file: string, before: readonly ReadSinkEntry[], what: string): void {
  for (const sink of sinksOf(file)) {
    const was = before.find(({ runId, spec }) => runId === sink.runId && spec === sink.spec);
    expect(sink, what).toMatchObject({ state: was?.state, remoteId: was?.remoteId, memo: was?.memo });
    expect(sink.cursor.position, what).toBe(was?.cursor.position);
    expect([0, was?.cursor.offset], what).toContain(sink.cursor.offset);
  }
}

function sinksOf(file: string): readonly ReadSinkEntry[] {
  const db = openForReading(file);
  try {
    return sinkReader(db, file, "1")();
  } finally {
    db.close();
  }
}
