/**
 * Entry of the journal's threads. The writer owns the only connection that writes and answers small questions
 * between two commits; the reader answers what takes long, so that it never delays a commit.
 */
import type { DatabaseSync } from "node:sqlite";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { toFault } from "./faults.ts";
import { type Lookups, lookups } from "./lookups.ts";
import type {
  Answer,
  CallOf,
  CloseCall,
  LookupCalls,
  ReaderCalls,
  WorkerReport,
  WorkerSetup,
  WriteCalls,
  WriterCalls,
} from "./messages.ts";
import { type JournalReader, journalReader } from "./reader.ts";
import { openForReading, openForWriting } from "./schema.ts";
import { GroupWriter } from "./writer.ts";

/** Most bytes of bodies in one transaction. */
const MAX_GROUP_BYTES = 32 * 1024 * 1024;

type WriteCall = CallOf<WriteCalls>;

function serveWriter(port: MessagePort, file: string): void {
  const queue: CallOf<WriterCalls>[] = [];
  let open: { db: DatabaseSync; writer: GroupWriter; lookups: Lookups } | undefined;
  // What arrives while a commit holds this thread waits in the port and makes up the next group.
  port.on("message", (call: CallOf<WriterCalls>) => {
    if (queue.push(call) === 1) setImmediate(work);
  });

  const work = (): void => {
    const calls = takeGroup(queue);
    const writes = calls.filter(isWrite);
    if (writes.length > 0) report(port, commit(writes));
    for (const call of calls) if (!isWrite(call)) report(port, { answers: [answer(call)], touched: [] });
    if (calls.at(-1)?.kind === "close") port.close();
    else if (queue.length > 0) setImmediate(work);
  };

  const opened = () => {
    if (open === undefined) {
      const db = openForWriting(file);
      open = { db, writer: new GroupWriter(db, file), lookups: lookups(db) };
    }
    return open;
  };

  const commit = (writes: readonly WriteCall[]): WorkerReport => {
    try {
      return opened().writer.commit(writes);
    } catch (error) {
      const fault = toFault(error, file);
      return { answers: writes.map(({ id }) => ({ id, fault })), touched: [] };
    }
  };

  const answer = (call: Exclude<CallOf<WriterCalls>, WriteCall>): Answer => {
    try {
      if (call.kind === "close") open?.db.close();
      else if (call.kind === "open") opened();
      else return { id: call.id, value: lookUp(opened().lookups, call) };
      return { id: call.id, value: null };
    } catch (error) {
      return { id: call.id, fault: toFault(error, file) };
    }
  };
}

function isWrite(call: CallOf<WriterCalls>): call is WriteCall {
  return call.kind === "append" || call.kind === "saveSink";
}

/** Takes calls from the front of the queue, up to a limit of bytes to write. */
function takeGroup(queue: CallOf<WriterCalls>[]): CallOf<WriterCalls>[] {
  let bytes = 0;
  const end = queue.findIndex((call) => {
    if (bytes > MAX_GROUP_BYTES) return true;
    if (call.kind === "append") bytes += call.args.body.byteLength;
    return false;
  });
  return queue.splice(0, end < 0 ? queue.length : end);
}

function serveReader(port: MessagePort, file: string): void {
  const busy = new Set<Promise<void>>();
  let open: { db: DatabaseSync; reader: JournalReader } | undefined;
  port.on("message", (call: CallOf<ReaderCalls & CloseCall>) => {
    if (call.kind === "close") {
      void close(call.id);
      return;
    }
    const answered = answer(call).finally(() => busy.delete(answered));
    busy.add(answered);
  });

  const close = async (id: number): Promise<void> => {
    await Promise.all(busy);
    open?.db.close();
    report(port, { answers: [{ id, value: null }], touched: [] });
    port.close();
  };

  const answer = async (call: CallOf<ReaderCalls>): Promise<void> => {
    try {
      if (open === undefined) {
        const db = openForReading(file);
        open = { db, reader: journalReader(db, file) };
      }
      const value = await askReader(open.reader, call);
      report(port, { answers: [{ id: call.id, value }], touched: [] });
    } catch (error) {
      report(port, { answers: [{ id: call.id, fault: toFault(error, file) }], touched: [] });
    }
  };
}

function lookUp<K extends keyof LookupCalls>(
  table: Lookups,
  call: { readonly kind: K; readonly args: LookupCalls[K]["args"] },
): LookupCalls[K]["answer"] {
  return table[call.kind](call.args);
}

function askReader<K extends keyof ReaderCalls>(
  reader: JournalReader,
  call: { readonly kind: K; readonly args: ReaderCalls[K]["args"] },
): ReaderCalls[K]["answer"] | Promise<ReaderCalls[K]["answer"]> {
  return reader[call.kind](call.args);
}

/** Posts a report; the memory of arrays in it moves instead of being copied. */
function report(port: MessagePort, message: WorkerReport): void {
  const buffers = new Set<ArrayBuffer>();
  for (const answer of message.answers) if ("value" in answer) collectBuffers(answer.value, buffers);
  port.postMessage(message, [...buffers]);
}

function collectBuffers(value: unknown, buffers: Set<ArrayBuffer>): void {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) buffers.add(value.buffer);
  } else if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) collectBuffers(inner, buffers);
  }
}

const { role, file } = workerData as WorkerSetup;
if (parentPort === null) throw new Error("The journal's worker is no program of its own.");
if (role === "writer") serveWriter(parentPort, file);
else serveReader(parentPort, file);
