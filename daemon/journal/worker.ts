/**
 * Entry of the journal's threads. The writer owns the only connection that writes and answers small questions
 * between two commits; the reader answers what takes long, so that it never delays a commit; a foreign reader answers
 * questions about another daemon's journal; a snapshot copies the journal for a backup.
 */
import { parentPort, workerData } from "node:worker_threads";
import { foreignReader } from "./foreign/reader.ts";
import type { ForeignCalls, ReaderCalls, SnapshotCalls, WorkerSetup } from "./messages.ts";
import { journalReader } from "./reader.ts";
import { serveReader } from "./reader-thread.ts";
import { openForReading } from "./schema.ts";
import { snapshotTaker } from "./snapshot.ts";
import { serveWriter } from "./writer-thread.ts";

const { role, file, restoredAtUs } = workerData as WorkerSetup;
if (parentPort === null) throw new Error("The journal's worker is no program of its own.");
switch (role) {
  case "writer":
    serveWriter(parentPort, file, restoredAtUs);
    break;
  case "reader":
    serveReader<ReaderCalls>(parentPort, file, () => {
      const db = openForReading(file);
      return { reader: journalReader(db, file), close: () => db.close() };
    });
    break;
  case "foreign":
    serveReader<ForeignCalls>(parentPort, file, () => foreignReader(file));
    break;
  case "snapshot":
    serveReader<SnapshotCalls>(parentPort, file, () => snapshotTaker(file));
    break;
}
