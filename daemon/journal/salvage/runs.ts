import type { DatabaseSync } from "node:sqlite";
import { Frame, type GroupMember } from "@pipekit/proto";
import { rowCrc } from "../checksum.ts";
import { frameFacts } from "../facts.ts";
import { ADD_MEMBER } from "../member-table.ts";
import type { StartFacts } from "../messages.ts";
import type { Value } from "../raw/records.ts";
import { sealOf } from "../seal.ts";
import { framesOfRun, RunSummary } from "../summary.ts";
import type { FoundRun, Harvest, Row } from "./harvest.ts";

/** Columns of what is kept of a run, without the run's number, in the order of the seal. */
const KEPT_TABLES = ["series", "tags", "params", "artifacts", "members"] as const;

/** Writes the runs of a new journal: those with frames from their frames, pruned ones from their rows. */
export class RunRebuilder {
  readonly #db: DatabaseSync;
  readonly #framesOf: (run: number) => ReturnType<ReturnType<typeof framesOfRun>>;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #keptOf: ReadonlyMap<string, ReadonlyMap<number, readonly Row[]>>;
  readonly #reasons: string[];

  constructor(db: DatabaseSync, found: Harvest, reasons: string[]) {
    this.#db = db;
    this.#framesOf = framesOfRun(db);
    this.#sql = prepare(db);
    this.#reasons = reasons;
    this.#keptOf = new Map(KEPT_TABLES.map((table) => [table, byRun(table, found.kept.get(table) ?? [])]));
  }

  /** True when everything that the row of a pruned run vouches for is there. */
  isSealed(row: FoundRun): boolean {
    const isThere = (table: (typeof KEPT_TABLES)[number]) =>
      table !== "members" || this.#rows(table, row.number).length > 0;
    const kept = KEPT_TABLES.filter(isThere).map((table) =>
      this.#rows(table, row.number).map((one) => [...one]),
    );
    return row.prunedAtUs > 0 && row.seal === rowCrc([row.sealed], ...kept);
  }

  /** Whether the start record in a row can be read. */
  hasStart(row: FoundRun): boolean {
    return startOf(row) !== undefined;
  }

  /** Writes a run whose frames are in the new journal; returns what they say. `row` is what the tables say of it. */
  writeFromFrames(number: number, runId: string, row: FoundRun | undefined, lost: boolean): RunSummary {
    const summary = new RunSummary();
    for (const rows of this.#framesOf(number)) {
      for (const { position, body } of rows) {
        summary.add(position, frameFacts(Frame.decode(body)), body.byteLength);
      }
    }
    const start = summary.start ?? startOf(row) ?? this.#unknownStart(runId);
    const ended = summary.end ?? (lost || summary.start === undefined ? endOf(row) : undefined);
    const { points, lastPosition, bytes, resume } = summary;
    this.#writeRun(number, runId, start, ended, { points, lastPosition, bytes, prunedAtUs: 0 }, resume?.json);
    if (row !== undefined && row.resume !== "" && row.resume !== resume?.json) {
      this.#reasons.push(
        `The last resume record of run ${runId} is lost: resume the run again where more is to be logged.`,
      );
    }
    // Where frames are lost, the tables may know more than the frames that are left.
    if (lost && row !== undefined) this.#fillIn(summary, row.number);
    for (const [name, value] of start.tags) if (!summary.tags.has(name)) summary.tags.set(name, value);
    for (const [name, value] of summary.tags) this.#sql.tag.run(number, name, value);
    for (const [name, value] of summary.params) this.#sql.param.run(number, name, value);
    for (const artifact of summary.artifacts) this.#sql.artifact.run(number, artifact);
    for (const member of summary.members.rows()) this.#sql.member.run(number, ...Object.values(member));
    for (const [key, stats] of summary.series) {
      this.#sql.series.run(number, key, ...[...stats].map((value) => (Number.isNaN(value) ? null : value)));
    }
    return summary;
  }

  /** Writes a run of which only rows are left. */
  writeFromRows(number: number, row: FoundRun): void {
    const { runId, points, lastPosition, prunedAtUs } = row;
    const pruned = prunedAtUs > 0;
    const counts = { points: pruned ? points : 0, lastPosition, bytes: 0, prunedAtUs };
    this.#writeRun(number, runId, startOf(row) ?? this.#unknownStart(runId), endOf(row), counts);
    for (const [name, value] of this.#rows("tags", row.number))
      this.#write(this.#sql.tag, number, name, value);
    for (const [name, value] of this.#rows("params", row.number))
      this.#write(this.#sql.param, number, name, value);
    for (const [artifact] of this.#rows("artifacts", row.number))
      this.#write(this.#sql.artifact, number, artifact);
    for (const member of this.#rows("members", row.number)) this.#write(this.#sql.member, number, ...member);
    if (!pruned) return;
    for (const series of this.#rows("series", row.number)) this.#write(this.#sql.series, number, ...series);
    this.#sql.seal.run(sealOf(this.#db, number), number);
  }

  #writeRun(
    number: number,
    runId: string,
    start: StartFacts,
    ended: ReturnType<typeof endOf>,
    counts: { points: number; lastPosition: number; bytes: number; prunedAtUs: number },
    resume = "",
  ): void {
    this.#sql.run.run(
      number,
      runId,
      start.name,
      start.json,
      start.startedAtUs,
      ended?.state ?? "running",
      ended?.reason ?? "",
      ended?.endedAtUs ?? 0,
      counts.points,
      counts.lastPosition,
      counts.bytes,
      counts.prunedAtUs,
      null,
      resume,
      start.member?.group ?? "",
    );
  }

  #fillIn(summary: RunSummary, oldNumber: number): void {
    for (const table of ["tags", "params"] as const) {
      for (const [name, value] of this.#rows(table, oldNumber)) {
        if (typeof name !== "string" || typeof value !== "string" || summary[table].has(name)) continue;
        summary[table].set(name, value);
      }
    }
    const known = new Set(summary.artifacts);
    for (const [artifact] of this.#rows("artifacts", oldNumber)) {
      if (typeof artifact === "string" && isJson(artifact) && !known.has(artifact))
        summary.artifacts.push(artifact);
    }
  }

  #rows(table: (typeof KEPT_TABLES)[number], oldNumber: number): readonly Row[] {
    return this.#keptOf.get(table)?.get(oldNumber) ?? [];
  }

  /** Damaged rows may hold what the tables do not take. */
  #write(
    statement: ReturnType<typeof prepare>["tag"],
    number: number,
    ...values: readonly (Value | undefined)[]
  ): void {
    try {
      statement.run(number, ...values.map((value) => value ?? null));
    } catch {
      this.#reasons.push("A row that was kept of a pruned run is damaged and left out.");
    }
  }

  #unknownStart(runId: string): StartFacts {
    this.#reasons.push(`The start record of run ${runId} is lost; the run has an empty one.`);
    const start = { client: "", configJson: "", host: "", name: "", pid: 0, pipelineHash: "", sinks: [] };
    const rest = { startedAtUs: 0, systemMetricsIntervalMs: 0, tags: {}, tracker: "" };
    return { json: JSON.stringify({ ...start, ...rest }), name: "", startedAtUs: 0, tags: [] };
  }
}

function prepare(db: DatabaseSync) {
  return {
    run: db.prepare("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    seal: db.prepare("UPDATE runs SET seal = ? WHERE number = ?"),
    tag: db.prepare("INSERT OR REPLACE INTO tags VALUES (?, ?, ?)"),
    param: db.prepare("INSERT OR REPLACE INTO params VALUES (?, ?, ?)"),
    member: db.prepare(ADD_MEMBER),
    artifact: db.prepare("INSERT INTO artifacts (run, artifact) VALUES (?, ?)"),
    series: db.prepare("INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?, ?, ?, ?)"),
  };
}

/** The rows of each run without their key columns, in the order of the seal. */
function byRun(table: string, rows: readonly Row[]): ReadonlyMap<number, readonly Row[]> {
  const runs = new Map<number, Row[]>();
  for (const row of [...rows].sort(table === "artifacts" ? byNumber : byName)) {
    const [first, second] = row;
    const [run, rest] = table === "artifacts" ? [second, row.slice(2)] : [first, row.slice(1)];
    if (typeof run !== "number") continue;
    runs.set(run, [...(runs.get(run) ?? []), rest]);
  }
  return runs;
}

function byNumber([a]: Row, [b]: Row): number {
  return Number(a) - Number(b);
}

/** As SQLite orders text: by its bytes. */
function byName([, a]: Row, [, b]: Row): number {
  return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
}

function startOf(row: FoundRun | undefined): StartFacts | undefined {
  if (row === undefined || !isJson(row.start)) return undefined;
  const start: unknown = JSON.parse(row.start);
  if (typeof start !== "object" || start === null) return undefined;
  const [name, startedAtUs, tags, member]: unknown[] = ["name", "startedAtUs", "tags", "member"].map((key) =>
    Reflect.get(start, key),
  );
  // Both stand in columns of their own too: a row that contradicts itself is damaged.
  if (typeof name !== "string" || typeof startedAtUs !== "number") return undefined;
  if (name !== row.name || startedAtUs !== row.startedAtUs) return undefined;
  const pairs = Object.entries(typeof tags === "object" && tags !== null ? tags : {});
  const facts = { json: row.start, name, startedAtUs };
  const group = typeof member === "object" && member !== null ? (member as GroupMember) : undefined;
  return {
    ...facts,
    tags: pairs.map(([key, value]) => [key, String(value)]),
    ...(group && { member: group }),
  };
}

function endOf(row: FoundRun | undefined) {
  if (row === undefined || (row.state !== "completed" && row.state !== "failed")) return undefined;
  return { state: row.state, reason: row.reason, endedAtUs: row.endedAtUs };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
