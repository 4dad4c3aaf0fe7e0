/** MLflow's runs: of a server, of a file store, or of a store in SQLite. */
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { type HistoryReader, type RunHistory, SourceError } from "@pipekit/adapters/history";
import { parseFolderSpec } from "../../folder-spec.ts";
import { openDatabase } from "./database.ts";
import { isFileStore, openFolder } from "./folder.ts";
import { openServer } from "./server.ts";

/** First bytes of every database of SQLite. */
const SQLITE = "SQLite format 3\0";

export const reader: HistoryReader = {
  recognises: async (path) =>
    (await isDatabase(path)) || (await isFileStore(path)) || (await isFileStore(join(path, "mlruns"))),
  open: async (source, context): Promise<RunHistory> => {
    if (/^mlflow(?:\+https?)?:/i.test(source)) return openServer(source, context);
    if (/^sqlite:/i.test(source)) return openDatabase(databaseFile(source));
    const path = /^mlflow\+file:/i.test(source)
      ? parseFolderSpec(source, "mlflow+file", "mlflow+file:///home/me/mlruns").folder
      : source;
    return (await isDatabase(path)) ? openDatabase(path) : openFolder(path);
  },
};

/** SQLAlchemy's form: four slashes before an absolute path, three before a relative one. */
function databaseFile(source: string): string {
  const path = /^sqlite:\/\/\/(\/[^?]*)$/i.exec(source)?.[1];
  if (path !== undefined) return path;
  throw new SourceError(
    "The address of the database names no absolute path.",
    "Write it with four slashes: `sqlite:////home/me/mlflow.db`.",
  );
}

async function isDatabase(path: string): Promise<boolean> {
  if (!(await stat(path).catch(() => undefined))?.isFile()) return false;
  const file = await open(path, "r").catch(() => undefined);
  try {
    const head = await file?.read(Buffer.alloc(SQLITE.length), 0, SQLITE.length, 0);
    return head?.buffer.toString("latin1") === SQLITE;
  } finally {
    await file?.close();
  }
}
