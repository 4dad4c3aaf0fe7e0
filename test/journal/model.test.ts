import { join } from "node:path";
import { Frame, type Record } from "@pipekit/proto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CURSOR_START, type Journal, salvage, verify } from "../../daemon/journal/index.ts";
import {
  end,
  frame,
  metrics,
  newId,
  outcome,
  resume,
  start,
  stateFolder,
  tags,
  tempJournal,
} from "./fixture.ts";

/** What a writer sends next: seq = last accepted + `ahead`. */
interface Send {
  readonly writer: number;
  readonly run: number;
  readonly ahead: number;
  readonly kind:
    | "start"
    | "otherStart"
    | "points"
    | "tags"
    | "end"
    | "failed"
    | "startAndEnd"
    | "nothing"
    | "resume"
    | "resumeAndEnd";
  /** Whether this frame waits for those before it, or may share their commit. */
  readonly wait: boolean;
}

const sends = fc.array(
  fc.record<Send>({
    writer: fc.nat(3),
    run: fc.nat(1),
    ahead: fc.oneof(
      { weight: 6, arbitrary: fc.constant(1) },
      { weight: 2, arbitrary: fc.integer({ min: -1, max: 3 }) },
    ),
    kind: fc.oneof(
      { weight: 3, arbitrary: fc.constant("start" as const) },
      { weight: 6, arbitrary: fc.constantFrom("points" as const, "tags" as const) },
      { weight: 2, arbitrary: fc.constant("resume" as const) },
      {
        weight: 2,
        arbitrary: fc.constantFrom("otherStart", "end", "failed", "startAndEnd", "nothing", "resumeAndEnd"),
      },
    ),
    wait: fc.boolean(),
  }),
  { maxLength: 40 },
);

/** The journal in a few lines: what it must do, without how. */
class Model {
  readonly runs = new Map<
    string,
    { start: string; state: string; frames: Frame[]; points: number; resumedBy: string }
  >();
  readonly writers = new Map<string, { runId: string; lastSeq: number }>();

  append(one: Frame): string {
    const run = this.runs.get(one.runId);
    const writer = this.writers.get(one.writerId);
    if (writer !== undefined && writer.runId !== one.runId) return "INVALID_FRAME";
    const lastSeq = writer?.lastSeq ?? 0;
    if (one.seq < 1) return "INVALID_FRAME";
    if (one.seq <= lastSeq) return "duplicate";
    const opening = one.records.find(({ record }) => record?.$case === "start");
    const closing = one.records.find(({ record }) => record?.$case === "end");
    const resumes = one.records.some(({ record }) => record?.$case === "resume");
    if (run === undefined && opening === undefined) return "RUN_NOT_FOUND";
    const noop =
      run !== undefined && one.records.length === 1 && closing !== undefined && run.state === text(closing);
    if (run !== undefined && run.state !== "running" && !noop && !resumes) return "RUN_ENDED";
    if (run !== undefined && opening !== undefined && run.start !== text(opening)) return "RUN_EXISTS";
    if (one.seq !== lastSeq + 1) return "INVALID_FRAME";
    this.writers.set(one.writerId, { runId: one.runId, lastSeq: one.seq });
    if (noop) return "duplicate";
    const fresh = { state: "running", frames: [], points: 0, resumedBy: "" };
    const kept = run ?? { start: opening ? text(opening) : "", ...fresh };
    this.runs.set(one.runId, kept);
    if (one.records.length > 0) kept.frames.push(one);
    for (const { record } of one.records) {
      if (record?.$case === "metrics") kept.points += record.value.values.length / 8;
    }
    if (resumes) Object.assign(kept, { state: "running", resumedBy: one.writerId });
    if (closing !== undefined && one.writerId >= kept.resumedBy) kept.state = text(closing);
    return "appended";
  }
}

function text({ record }: Record): string {
  return record?.$case === "end"
    ? record.value.state === 2
      ? "completed"
      : "failed"
    : JSON.stringify(record?.value);
}

function records(kind: Send["kind"], i: number): Record[] {
  switch (kind) {
    case "start":
      return [start()];
    case "otherStart":
      return [start({ pid: 8 }), tags({ other: "start" })];
    case "startAndEnd":
      return [start(), end()];
    case "points":
      return [metrics({ a: [i, i + 0.5], b: [-i, i] }, i)];
    case "tags":
      return [tags({ last: String(i) })];
    case "end":
      return [end()];
    case "failed":
      return [end("failed")];
    case "resume":
      return [resume({ resumedAtUs: i }), metrics({ a: [i] }, i)];
    case "resumeAndEnd":
      return [resume({ resumedAtUs: i }), end("failed", "again")];
    case "nothing":
      return [];
  }
}

async function framesOf(journal: Journal, runId: string): Promise<Record[][]> {
  const frames = new Map<number, Record[]>();
  for (const { position, record } of await journal.readRecords(runId, CURSOR_START, 1_000_000)) {
    frames.set(position, [...(frames.get(position) ?? []), record]);
  }
  return [...frames.values()];
}

test("any sequence of frames has the outcome, and leaves the journal, that the model says", async () => {
  const folder = await stateFolder();
  const journal = await tempJournal(folder);
  const seen = new Set<unknown>();
  await fc.assert(
    fc.asyncProperty(sends, async (list) => {
      const model = new Model();
      const runIds = [newId(), newId()];
      const writerIds = [newId(), newId(), newId(), newId()];
      const expected: unknown[] = [];
      const got: Promise<unknown>[] = [];
      for (const [i, { writer, run, ahead, kind, wait }] of list.entries()) {
        const writerId = writerIds[writer] ?? "";
        const seq = (model.writers.get(writerId)?.lastSeq ?? 0) + ahead;
        const one = frame(runIds[run] ?? "", writerId, seq, ...records(kind, i));
        expected.push(model.append(one));
        got.push(outcome(journal.append(one, [])));
        if (wait) await got.at(-1);
      }
      expect(await Promise.all(got)).toEqual(expected);
      for (const word of expected) seen.add(word);
      for (const [runId, run] of model.runs) {
        const resumed =
          run.resumedBy === "" ? undefined : expect.objectContaining({ writerId: run.resumedBy });
        const { state, points } = run;
        expect(await journal.run(runId)).toMatchObject({ state, points, resume: resumed });
        const encoded = (all: Record[][]) =>
          all.map((one) => Frame.encode(frame("", "", 0, ...one)).finish());
        expect(encoded(await framesOf(journal, runId))).toEqual(
          encoded(run.frames.map((one) => one.records)),
        );
      }
      for (const [writerId, { lastSeq }] of model.writers)
        expect(await journal.lastSeq(writerId)).toBe(lastSeq);
    }),
    { numRuns: 600 },
  );
  const words = ["appended", "duplicate", "INVALID_FRAME", "RUN_NOT_FOUND", "RUN_EXISTS", "RUN_ENDED"];
  expect([...seen].sort()).toEqual(words.sort());
  const { runsRunning } = await journal.totals();
  expect(await journal.runs({ limit: 10_000, state: "running" })).toHaveLength(runsRunning);
  await journal.close();
  expect(await verify(join(folder, "journal.db"))).toMatchObject({ faults: [] });
  const into = join(folder, "into.db");
  expect(await salvage(join(folder, "journal.db"), into)).toMatchObject({ lostFrames: [], reasons: [] });
  expect(await verify(into)).toMatchObject({ faults: [] });
});
