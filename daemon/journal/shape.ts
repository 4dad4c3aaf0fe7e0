import { DatabaseSync } from "node:sqlite";
import { TABLES } from "./tables.ts";

/** Columns that have a default only where a migration added them. */
const MIGRATED = "('frames', 'at_us'), ('writers', 'crc'), ('sinks', 'crc'), ('dead_letters', 'crc')";

/** The tables, their columns and the indexes, in text that compares. */
const SHAPE = `
  SELECT 'table ' || t.name || CASE WHEN t.strict THEN ' strict' ELSE '' END
    || CASE WHEN t.wr THEN ' without rowid' ELSE '' END AS part
  FROM pragma_table_list AS t WHERE t.schema = 'main' AND t.type = 'table'
  UNION ALL
  SELECT t.name || '.' || c.name || ' ' || c.cid || ' ' || c.type || ' ' || c."notnull" || ' ' || c.pk
    || CASE WHEN (t.name, c.name) IN (VALUES ${MIGRATED}) THEN '' ELSE ' ' || ifnull(c.dflt_value, '-') END
  FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c WHERE t.schema = 'main' AND t.type = 'table'
  UNION ALL
  SELECT 'index ' || ifnull(sql, name) FROM sqlite_schema WHERE type = 'index'`;

/** Parts of the tables' shape that are missing in a journal or should not be there; empty when its schema is sound. */
export function misshapen(db: DatabaseSync): string[] {
  const reference = new DatabaseSync(":memory:");
  try {
    reference.exec(TABLES);
    const expected = partsOf(reference);
    const found = partsOf(db);
    const missing = expected.filter((part) => !found.includes(part));
    return [...missing, ...found.filter((part) => !expected.includes(part))];
  } finally {
    reference.close();
  }
}

function partsOf(db: DatabaseSync): string[] {
  return db
    .prepare(SHAPE)
    .all()
    .map(({ part }) => String(part));
}
