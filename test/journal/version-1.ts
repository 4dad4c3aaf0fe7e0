/** A journal as a daemon of journal version 1 left it: its tables, word for word, and rows as it wrote them. */
import { DatabaseSync } from "node:sqlite";
import { Frame, type Record } from "@pipekit/proto";
import { frameFacts } from "../../daemon/journal/facts.ts";
import { frame } from "./fixture.ts";

const TABLES = `
CREATE TABLE runs (
  number INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  start TEXT NOT NULL,
  started_at_us INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'running',
  reason TEXT NOT NULL DEFAULT '',
  ended_at_us INTEGER NOT NULL DEFAULT 0,
  points INTEGER NOT NULL DEFAULT 0,
  last_position INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX runs_by_start ON runs (started_at_us, number);
CREATE TABLE writers (
  writer_id TEXT PRIMARY KEY,
  run INTEGER NOT NULL,
  last_seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE frames (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL,
  writer_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  points INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX frames_by_run ON frames (run, position);
CREATE TABLE series (
  run INTEGER NOT NULL,
  key TEXT NOT NULL,
  points INTEGER NOT NULL,
  last_step INTEGER NOT NULL,
  last_value REAL,
  min_value REAL,
  max_value REAL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE tags (
  run INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE params (
  run INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE artifacts (
  number INTEGER PRIMARY KEY, run INTEGER NOT NULL, artifact TEXT NOT NULL
) STRICT;
CREATE INDEX artifacts_by_run ON artifacts (run, number);
CREATE TABLE sinks (
  run INTEGER NOT NULL,
  spec TEXT NOT NULL,
  open INTEGER NOT NULL,
  cursor_position INTEGER NOT NULL,
  cursor_offset INTEGER NOT NULL,
  points_sent INTEGER NOT NULL,
  points_dead INTEGER NOT NULL,
  state TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (run, spec)
) STRICT, WITHOUT ROWID;
CREATE INDEX sinks_open ON sinks (run) WHERE open = 1;
CREATE TABLE dead_letters (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL,
  spec TEXT NOT NULL,
  kind TEXT NOT NULL,
  points INTEGER NOT NULL,
  reason TEXT NOT NULL,
  from_position INTEGER NOT NULL,
  from_offset INTEGER NOT NULL,
  to_position INTEGER NOT NULL,
  to_offset INTEGER NOT NULL,
  at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letters_by_run ON dead_letters (run, id);
CREATE TABLE totals (
  frames INTEGER NOT NULL,
  points INTEGER NOT NULL,
  runs INTEGER NOT NULL,
  runs_running INTEGER NOT NULL,
  dead_letters INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (0, 0, 0, 0, 0);
PRAGMA application_id = 0x706b786a;
PRAGMA user_version = 1;
`;

/** Writes the frames of one run, all by one writer, with one sink whose cursor stands behind the first frame. */
export function writeVersion1(
  file: string,
  runId: string,
  writerId: string,
  frames: readonly Record[][],
): void {
  const db = new DatabaseSync(file);
  db.exec(`PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; ${TABLES}`);
  const addFrame = db.prepare(
    "INSERT INTO frames (run, writer_id, seq, points, body) VALUES (1, ?, ?, ?, ?)",
  );
  const addSeries = db.prepare("INSERT INTO series VALUES (1, ?, ?, ?, ?, ?, ?)");
  let points = 0;
  for (const [i, records] of frames.entries()) {
    const one = frame(runId, writerId, i + 1, ...records);
    const facts = frameFacts(one);
    addFrame.run(writerId, i + 1, facts.points, Frame.encode(one).finish());
    points += facts.points;
    if (facts.start !== undefined) {
      const { name, json, startedAtUs } = facts.start;
      db.prepare("INSERT INTO runs (run_id, name, start, started_at_us) VALUES (?, ?, ?, ?)").run(
        runId,
        name,
        json,
        startedAtUs,
      );
    }
    // One frame a key, so that its sums are the series'.
    facts.series.keys.forEach((key, k) => {
      const stats = [...facts.series.stats.subarray(k * 5, k * 5 + 5)];
      addSeries.run(key, ...stats.map((value) => (Number.isNaN(value) ? null : value)));
    });
  }
  db.exec(`UPDATE runs SET points = ${points}, last_position = ${frames.length}`);
  db.exec(
    `UPDATE totals SET frames = ${frames.length}, points = ${points}, runs = 1, runs_running = 1, dead_letters = 1`,
  );
  db.prepare("INSERT INTO writers VALUES (?, 1, ?)").run(writerId, frames.length);
  const detail = {
    lastError: "",
    retryAtUs: 0,
    remoteId: "r",
    remoteUrl: "",
    pointsShown: -1,
    notes: [],
    memo: {},
  };
  db.prepare("INSERT INTO sinks VALUES (1, 'mlflow:a', 1, 1, 0, 0, 0, 'sending', ?)").run(
    JSON.stringify(detail),
  );
  db.exec("INSERT INTO dead_letters VALUES (1, 1, 'mlflow:a', 'params', 0, 'no', 0, 0, 1, 0, 5)");
  db.close();
}
