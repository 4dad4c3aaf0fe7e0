/** Journals in memory, written as the daemon's writer thread writes them: a journal of a case costs a millisecond. */
import { DatabaseSync } from "node:sqlite";
import { Frame, type Record, RunState } from "@pipekit/proto";
import { differences, type RunRow, rowFaults } from "../../daemon/journal/comparison.ts";
import { frameFacts } from "../../daemon/journal/facts.ts";
import { memberReader } from "../../daemon/journal/member-table.ts";
import { RUN_COLUMNS, runOfRow } from "../../daemon/journal/rows.ts";
import { framesOfRun, RunSummary } from "../../daemon/journal/summary.ts";
import { TABLES } from "../../daemon/journal/tables.ts";
import { GroupWriter } from "../../daemon/journal/writer.ts";
import { frame, metrics, start, tags } from "../journal/fixture.ts";

export const GROUP = "job";
const RUN_ID = `4${"0".repeat(25)}`;

/** One number for each thing that happens, in all journals: the clock, and what writer ids are made of. */
export class Ticks {
  #now = 0;

  next(): number {
    return ++this.#now;
  }

  writerId(): string {
    return `01${String(this.next()).padStart(24, "0")}`;
  }
}

/** The journal of one daemon. */
export class NodeJournal {
  readonly db = new DatabaseSync(":memory:");
  readonly #writer: GroupWriter;
  readonly #seqs = new Map<string, number>();
  /** Its members: writer id to rank. */
  readonly members = new Map<string, number>();

  constructor() {
    this.db.exec(TABLES);
    this.#writer = new GroupWriter(this.db, "memory");
  }

  /** What became of the frame: its result, or the code of the refusal. */
  append(one: Frame, sinks: readonly string[] = []): string {
    const body = Frame.encode(one).finish();
    const args = { facts: frameFacts(one), body, sinks };
    const [answer] = this.#writer.commit([{ id: 1, kind: "append", args }]).answers;
    if (answer === undefined) throw new Error("no answer");
    return "fault" in answer ? answer.fault.code : String(answer.value);
  }

  write(writerId: string, ...records: Record[]): string {
    const seq = (this.#seqs.get(writerId) ?? 0) + 1;
    const result = this.append(frame(RUN_ID, writerId, seq, ...records));
    if (result === "appended" || result === "duplicate") this.#seqs.set(writerId, seq);
    return result;
  }

  join(writerId: string, rank: number, atUs: number): string {
    this.members.set(writerId, rank);
    const fields = rank === 0 ? { configJson: '{"lr":1}', tags: { by: "zero" } } : { configJson: "{}" };
    const member = { group: GROUP, rank, worldSize: 4 };
    return this.write(writerId, start({ ...fields, startedAtUs: atUs, member }));
  }

  log(writerId: string, value: number): string {
    return this.write(
      writerId,
      metrics({ [`of ${writerId}`]: [value] }),
      tags({ [writerId]: String(value) }),
    );
  }

  end(writerId: string, failed: boolean, endedAtUs: number, member?: string): string {
    const state = failed ? RunState.RUN_STATE_FAILED : RunState.RUN_STATE_COMPLETED;
    const value = { state, reason: failed ? `at ${endedAtUs}` : "", endedAtUs, ...(member && { member }) };
    return this.write(writerId, { record: { $case: "end", value } });
  }

  /** Takes in what the other journal has, as a sync does. */
  take(other: NodeJournal): void {
    for (const { body } of other.frames()) this.append(Frame.decode(body));
  }

  frames(): { readonly body: Uint8Array }[] {
    return this.db.prepare("SELECT body FROM frames ORDER BY position").all() as { body: Uint8Array }[] & [];
  }

  /** Frames by writer and seq. */
  contents(): Map<string, string> {
    const frames = this.frames().map(({ body }) => ({ body, ...Frame.decode(body) }));
    const entries = frames.map(({ writerId, seq, body }) => [
      `${writerId} ${seq}`,
      Buffer.from(body).toString("hex"),
    ]);
    const contents = new Map(entries as [string, string][]);
    if (contents.size !== frames.length) throw new Error("a frame is there twice");
    return contents;
  }

  /** All that is known of the run; undefined when there is none. */
  run() {
    const row = this.db.prepare(`SELECT ${RUN_COLUMNS}, number FROM runs`).get();
    if (row === undefined) return undefined;
    const { lastPosition, tags: labels, ...run } = runOfRow(row);
    const members = memberReader(this.db)(Number(row["number"])).map(({ seenAtUs, ...member }) => member);
    return { ...run, tags: Object.fromEntries(Object.entries(labels).sort()), members };
  }

  /** What the tables say that the frames do not. */
  faults(): string[] {
    const framesOf = framesOfRun(this.db);
    const runs = this.db.prepare("SELECT * FROM runs").all() as unknown as RunRow[];
    const different = runs.flatMap((run) => {
      const summary = new RunSummary();
      for (const rows of framesOf(run.number)) {
        for (const row of rows)
          summary.add(row.position, frameFacts(Frame.decode(row.body)), row.body.byteLength);
      }
      return differences(this.db, run, summary);
    });
    return [...different, ...rowFaults(this.db)];
  }
}
