import type { DatabaseSync } from "node:sqlite";
import type { MessagePort } from "node:worker_threads";
import { Clearing } from "./clearing.ts";
import { toFault } from "./faults.ts";
import { type Lookups, lookups } from "./lookups.ts";
import type { Answer, CallOf, LookupCalls, WorkerReport, WriteCalls, WriterCalls } from "./messages.ts";
import { report } from "./report.ts";
import { nowUs, openForWriting } from "./schema.ts";
import { GroupWriter } from "./writer.ts";

/** Most bytes of bodies in one transaction. */
const MAX_GROUP_BYTES = 32 * 1024 * 1024;
/** Between two slices of clearing, milliseconds: alone on the disk, and beside commits. */
const REST_MS = 5;
const REST_BESIDE_COMMITS_MS = 50;

type WriteCall = CallOf<WriteCalls>;

/** A writer's open file. */
interface OpenWriter {
  readonly db: DatabaseSync;
  readonly writer: GroupWriter;
  readonly lookups: Lookups;
  readonly clearing: Clearing;
}

/** Commits in groups, answers small questions between two commits, and clears away what was pruned. */
export function serveWriter(port: MessagePort, file: string, restoredAtUs: number | undefined): void {
  const queue: CallOf<WriterCalls>[] = [];
  let open: OpenWriter | undefined;
  let clear: NodeJS.Timeout | undefined;
  let committed = false;
  // What arrives while a commit holds this thread waits in the port and makes up the next group.
  port.on("message", (call: CallOf<WriterCalls>) => {
    if (queue.push(call) === 1) setImmediate(work);
  });

  const work = (): void => {
    const calls = takeGroup(queue);
    const writes = calls.filter(isWrite);
    if (writes.length > 0) report(port, commit(writes));
    committed ||= writes.length > 0;
    if (writes.some(({ kind }) => kind === "prune")) clearSoon();
    for (const call of calls) if (!isWrite(call)) report(port, { answers: [answer(call)], touched: [] });
    if (calls.at(-1)?.kind === "close") {
      clearTimeout(clear);
      port.close();
    } else if (queue.length > 0) setImmediate(work);
  };

  const opened = () => {
    if (open === undefined) {
      const db = openForWriting(file);
      open = {
        db,
        writer: new GroupWriter(db, file, nowUs, restoredAtUs),
        lookups: lookups(db, file),
        clearing: new Clearing(db, file),
      };
      clearSoon();
    }
    return open;
  };

  const clearSoon = (): void => {
    clear ??= setTimeout(clearSlice, committed ? REST_BESIDE_COMMITS_MS : REST_MS);
    committed = false;
  };

  const clearSlice = (): void => {
    clear = undefined;
    try {
      if (opened().clearing.slice()) clearSoon();
    } catch (error) {
      // Tried again at the next prune or start; nothing that is read depends on it.
      report(port, { answers: [], touched: [], trouble: toFault(error, file) });
    }
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

const WRITES: { readonly [K in keyof WriteCalls]: true } = {
  append: true,
  saveSink: true,
  addSinks: true,
  prune: true,
};

function isWrite(call: CallOf<WriterCalls>): call is WriteCall {
  return call.kind in WRITES;
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

function lookUp<K extends keyof LookupCalls>(
  table: Lookups,
  call: { readonly kind: K; readonly args: LookupCalls[K]["args"] },
): LookupCalls[K]["answer"] {
  return table[call.kind](call.args);
}
