/** An upgrade that is killed when its work is done and not committed: its pages are in the write-ahead log already. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { migrate } from "../../daemon/journal/migrate.ts";

/** Begins the upgrade in a process of its own and kills that. */
export async function killedUpgrade(journal: string): Promise<void> {
  const before = statSync(`${journal}-wal`).size;
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), journal], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  if (statSync(`${journal}-wal`).size <= before) throw new Error("The upgrade had written nothing yet.");
}

function upgradeHalf(journal: string): void {
  const db = new DatabaseSync(journal);
  // No page waits in memory.
  db.exec("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE");
  const { user_version } = { ...db.prepare("PRAGMA user_version").get() };
  migrate(db, Number(user_version), Date.now() * 1000);
  process.stdout.write("migrated\n");
  setInterval(() => db.isOpen, 1000);
}

const [, script, journal] = process.argv;
if (script === fileURLToPath(import.meta.url) && journal !== undefined) upgradeHalf(journal);
