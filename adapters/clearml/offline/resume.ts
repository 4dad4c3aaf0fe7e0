/** How the files of a session are begun, and found again. */

import { open } from "node:fs/promises";
import { dirname } from "node:path";
import type { AdapterMemo, SinkRun } from "@pipekit/adapters/tracker";
import { z } from "zod";
import { AppendFile } from "../../append-file.ts";
import { FileRefusal } from "../../file-faults.ts";
import { demandFolder, type OpenFile, orClose } from "../../file-run.ts";
import { ensureFolder } from "../../files.ts";
import type { Note } from "../../notes.ts";
import type { Names } from "../names.ts";
import type { Session } from "./session.ts";
import { TaskFile } from "./task-file.ts";

const MemoShape = z.object({
  id: z.string(),
  /** Of the file of points, that are settled. */
  bytes: z.number().int().nonnegative(),
  /** Metric names that were claimed. */
  claims: z.array(z.string()),
  /** Whether a person knows that a zip was taken away. */
  told: z.boolean(),
});

/** What must be kept of a session. */
export type Memo = z.infer<typeof MemoShape>;

/** What a session is made of. */
export interface Start {
  readonly session: Session;
  readonly project: string;
  readonly run: SinkRun;
  readonly names: Names;
  readonly note: Note;
}

/** A session that is open. */
export interface OpenSession extends OpenFile<Memo> {
  readonly task: TaskFile;
}

/** What an earlier open or send of this session has left; undefined when it cannot be read. */
export function readMemo(memo: AdapterMemo | undefined, { id }: Session): Memo | undefined {
  const known = MemoShape.safeParse(memo).data;
  return known?.id === id ? known : undefined;
}

/** Begins a session; what is there of it already is written anew, since all records are sent again. */
export async function startSession(start: Start, signal: AbortSignal): Promise<OpenSession> {
  const { session, project, run, names } = start;
  await ensureFolder(session.folder);
  const file = await AppendFile.create(session.metrics, signal);
  return await orClose(file, async () => {
    const task = TaskFile.start(session.folder, session.id, project, run, names);
    await task.save();
    return { file, task, memo: { id: session.id, bytes: 0, claims: [], told: false } };
  });
}

/**
 * Goes on with a session. Records before the cursor are not sent again, so what someone else removed or cut stays gone
 * here; it is named, and the run can be written whole to another folder.
 */
export async function resumeSession(start: Start, memo: Memo, signal: AbortSignal): Promise<OpenSession> {
  const { session, project, run, names } = start;
  const { folder, id } = session;
  await demandFolder(dirname(folder));
  await ensureFolder(folder);
  const file = await metricsOf(start, memo, signal);
  return await orClose(file, async () => {
    let task = await TaskFile.read(folder, id, project);
    if (task === undefined) {
      lost(start, "params, tags and artifacts");
      task = TaskFile.start(folder, id, project, run, names);
      await task.save();
    }
    return { file, task, memo: { ...memo, bytes: file.length } };
  });
}

async function metricsOf(start: Start, memo: Memo, signal: AbortSignal): Promise<AppendFile> {
  const { metrics } = start.session;
  const found = await AppendFile.resume(metrics, memo.bytes, signal);
  if (found instanceof AppendFile) return found;
  if (memo.bytes > 0) lost(start, "points");
  if (found === "gone") return await AppendFile.create(metrics, signal);
  const rest = await AppendFile.resume(metrics, await wholeLines(metrics, found.size), signal);
  if (rest instanceof AppendFile) return rest;
  throw new FileRefusal(`${metrics} is being changed by someone else.`);
}

/** Bytes of a file up to the end of its last whole line. */
async function wholeLines(path: string, size: number): Promise<number> {
  const part = Buffer.allocUnsafe(64 * 1024);
  const file = await open(path, "r");
  try {
    for (let end = size; end > 0; end -= part.length) {
      const start = Math.max(0, end - part.length);
      const { bytesRead } = await file.read(part, 0, end - start, start);
      const newline = part.subarray(0, bytesRead).lastIndexOf(0x0a);
      if (newline >= 0) return start + newline + 1;
    }
    return 0;
  } finally {
    await file.close();
  }
}

function lost({ session, run, note }: Start, what: string): void {
  note(
    `Someone else has changed ${session.folder}, and ${what} that were in it are lost there; ` +
      `\`pkx sync ${run.runId} --to clearml+offline:///another/folder?project=...\` writes the run whole.`,
  );
}
