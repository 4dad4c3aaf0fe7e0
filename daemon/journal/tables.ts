/** Version of the tables below, kept in `PRAGMA user_version`. */
export const SCHEMA_VERSION = 4;
/** "pkxj": tells a journal from another program's SQLite file. */
export const APPLICATION_ID = 0x706b786a;
/** Bodies are long: large pages mean short overflow chains. */
export const PAGE_SIZE = 8192;

/** Also made by the migration to version 4. */
export const MEMBERS = `
CREATE TABLE members (
  run INTEGER NOT NULL,
  writer_id TEXT NOT NULL,
  rank INTEGER NOT NULL,
  start TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  ended_at_us INTEGER NOT NULL,
  PRIMARY KEY (run, writer_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_rank ON members (run, rank, writer_id);
CREATE INDEX members_open ON members (run) WHERE state = 'running';`;

/*
 * A frame's body is kept as it came; the other tables say in O(runs) or O(keys) what it would take O(points) to find
 * in the bodies, and change in the same transaction. NaN is NULL: SQLite knows no NaN.
 *
 * What no body repeats has a checksum: writers, sinks and dead letters a `crc` in each row (rowCrc), a pruned run, whose
 * bodies are gone, a `seal` over all that is kept of it. A frame's `crc` is that of its body; NULL when a daemon of
 * journal version 1 wrote it. `bytes` are those of the run's bodies, 0 once they are cleared away after pruning.
 * `resume` is what the last resume record says, as JSON; empty when there is none. `group_id` names the group that writes
 * the run, empty for one of a single process; `members` are its writers with a rank. The `at_us` of a writer is when its
 * last frame was journaled.
 */
export const TABLES = `
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
  last_position INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  pruned_at_us INTEGER NOT NULL DEFAULT 0,
  seal INTEGER,
  resume TEXT NOT NULL DEFAULT '',
  group_id TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX runs_by_start ON runs (started_at_us, number);
CREATE INDEX runs_to_clear ON runs (number) WHERE pruned_at_us > 0 AND bytes > 0;
CREATE TABLE writers (
  writer_id TEXT PRIMARY KEY,
  run INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  at_us INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE frames (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL,
  writer_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  points INTEGER NOT NULL,
  body BLOB NOT NULL,
  crc INTEGER,
  at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX frames_by_run ON frames (run, position, at_us);
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
${MEMBERS}
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
  crc INTEGER NOT NULL,
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
  at_us INTEGER NOT NULL,
  crc INTEGER NOT NULL
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
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** What the row of `totals` has to be. */
export const TOTALS = `
  SELECT (SELECT count(*) FROM frames) AS frames, (SELECT ifnull(sum(points), 0) FROM runs) AS points,
    (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM runs WHERE state = 'running') AS runs_running,
    (SELECT count(*) FROM dead_letters) AS dead_letters`;
