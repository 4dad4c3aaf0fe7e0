/** The files of one run, and how they are found again. */

import { unlink } from "node:fs/promises";
import { basename, join } from "node:path";
import type { SinkRun } from "@pipekit/adapters/tracker";
import { AppendFile, sizeOf } from "../append-file.ts";
import { FileRefusal } from "../file-faults.ts";
import { demandFolder, type OpenFile, orClose } from "../file-run.ts";
import { ensureFolder } from "../files.ts";
import type { Note } from "../notes.ts";
import { textEvent, versionEvent } from "./events.ts";
import { readParams, sessionEnd, writeParams } from "./hparams.ts";
import type { Memo } from "./memo.ts";
import { eventFile, pointFiles, runFolder, sessionFile } from "./places.ts";
import { RecordBuffer, readRecords } from "./record-file.ts";
import { OWN } from "./tags.ts";

/** Starts a run's files; what is there of it already is written anew. */
export async function startRun(
  base: string,
  run: SinkRun,
  note: Note,
  signal: AbortSignal,
): Promise<OpenFile<Memo>> {
  const folder = runFolder(run);
  const path = join(base, folder);
  await ensureFolder(path);
  const name = eventFile(run, run.startedAtUs / 1e6, "points");
  const first = head(run);
  for (const left of await pointFiles(path, run.runId)) {
    // Nothing is sent before the memo of this call is kept: more than a head is the work of another daemon.
    if (((await sizeOf(left)) ?? 0) > first.length)
      note(`${path} held an earlier delivery of this run; it is written anew.`);
    if (left !== join(path, name)) await unlink(left);
  }
  await writeParams(await paramsFile(base, folder, run), {}, run, signal);
  const file = await createFile(join(path, name), first, new Uint8Array(), signal);
  const memo = {
    folder,
    file: name,
    bytes: file.length,
    texts: 1,
    timeUs: run.startedAtUs,
    labelled: false,
    end: null,
  };
  return { file, memo };
}

/**
 * Goes on with a run's files. Points before the cursor are not sent again, so what someone else removed or cut stays
 * gone here; it is named, and the run can be written whole to another folder.
 */
export async function resumeRun(
  base: string,
  run: SinkRun,
  memo: Memo,
  note: Note,
  signal: AbortSignal,
): Promise<OpenFile<Memo>> {
  await demandFolder(base);
  const folder = join(base, memo.folder);
  const path = join(folder, memo.file);
  const anew = `\`pkx sync ${run.runId} --to tensorboard:///another/folder\` writes the run whole.`;
  // A later file is one that was begun after a loss like those below, and that no memo was kept of.
  for (const later of await pointFiles(folder, run.runId)) if (later > path) await unlink(later);
  const found = await AppendFile.resume(path, memo.bytes, signal);
  if (found instanceof AppendFile) {
    await writeOrClose(found, new Uint8Array(), endOf(memo));
    return { file: found, memo };
  }
  if (found === "gone") {
    await ensureFolder(folder);
    const session = await paramsFile(base, memo.folder, run);
    if ((await sizeOf(session)) === undefined) await writeParams(session, {}, run, signal);
    const name = await laterName(folder, run, memo.file);
    const file = await createFile(join(folder, name), versionOnly(run), endOf(memo), signal);
    note(`Someone else removed ${path}, and what was in it is lost there; ${anew}`);
    return { file, memo: { ...memo, file: name, bytes: file.length } };
  }
  const whole = await readRecords(path, () => {}, signal);
  const file = await AppendFile.resume(path, whole, signal);
  if (!(file instanceof AppendFile)) throw new FileRefusal(`${path} is being changed by someone else.`);
  await writeOrClose(file, whole === 0 ? versionOnly(run) : new Uint8Array(), endOf(memo));
  note(`Someone else cut ${path} to ${found.size} bytes, and points of it are lost there; ${anew}`);
  return { file, memo: { ...memo, bytes: file.length } };
}

/**
 * Goes on with a run that had ended, in a file behind the others: a reader that has read the end never looks back, and the
 * first end that it meets is the one that it shows.
 */
export async function reopenRun(
  base: string,
  run: SinkRun,
  memo: Memo,
  note: Note,
  signal: AbortSignal,
): Promise<OpenFile<Memo>> {
  const before = await resumeRun(base, run, { ...memo, end: null }, note, signal);
  if (before.memo.file !== memo.file) return before;
  before.file.close();
  const folder = join(base, memo.folder);
  const name = await laterName(folder, run, memo.file);
  const file = await createFile(join(folder, name), versionOnly(run), new Uint8Array(), signal);
  return { file, memo: { ...before.memo, file: name, bytes: file.length } };
}

/** Goes on with a run whose memo cannot be read: behind all that is there. */
export async function salvageRun(
  base: string,
  run: SinkRun,
  note: Note,
  signal: AbortSignal,
): Promise<OpenFile<Memo>> {
  const folder = runFolder(run);
  const last = (await pointFiles(join(base, folder), run.runId)).at(-1);
  if (last === undefined) return await startRun(base, run, note, signal);
  let texts = 0;
  const bytes = await readRecords(last, () => texts++, signal);
  note("What was kept of this run cannot be read: points sent last may be shown twice.");
  const known = { folder, file: basename(last), timeUs: run.startedAtUs, labelled: true, end: null };
  return await resumeRun(base, run, { ...known, bytes, texts }, note, signal);
}

/** What stands behind the settled bytes: how the run ended, if it has. */
export function endOf({ end, texts }: Memo): Buffer {
  const buffer = new RecordBuffer(512);
  if (end === null) return buffer.written();
  if (end.reason !== "") buffer.add(textEvent(`${OWN}reason`, end.reason, texts, end.endedAtUs));
  buffer.add(sessionEnd(end));
  return buffer.written();
}

/** Adds params to those of the run's session. */
export async function addParams(
  base: string,
  memo: Memo,
  run: SinkRun,
  params: Readonly<Record<string, string>>,
  note: Note,
  signal: AbortSignal,
): Promise<void> {
  if (Object.keys(params).length === 0) return;
  const path = await paramsFile(base, memo.folder, run);
  const known = await readParams(path, signal);
  if (known === undefined) note(`Someone else removed ${path}; params that were in it are lost there.`);
  await writeParams(path, { ...known, ...params }, run, signal);
}

async function paramsFile(base: string, folder: string, run: SinkRun): Promise<string> {
  const path = join(base, folder);
  const known = await sessionFile(path, run.runId);
  return known ?? join(path, eventFile(run, run.startedAtUs / 1e6, "hparams"));
}

/** A name that sorts behind all of the run's files, since a reader never looks back. */
async function laterName(folder: string, run: SinkRun, before: string): Promise<string> {
  const names = [before, ...(await pointFiles(folder, run.runId))];
  const latest = Math.max(...names.map((name) => Number(/tfevents\.(\d{10})\./.exec(name)?.[1] ?? 0)));
  return eventFile(run, Math.max(Date.now() / 1000, latest + 1), "points");
}

async function createFile(
  path: string,
  first: Buffer,
  tail: Uint8Array,
  signal: AbortSignal,
): Promise<AppendFile> {
  const file = await AppendFile.create(path, signal);
  await writeOrClose(file, first, tail);
  return file;
}

async function writeOrClose(file: AppendFile, bytes: Uint8Array, tail: Uint8Array): Promise<void> {
  if (bytes.length + tail.length > 0) await orClose(file, () => file.write(bytes, tail));
}

function versionOnly(run: SinkRun): Buffer {
  const buffer = new RecordBuffer(64);
  buffer.add(versionEvent(run.startedAtUs));
  return buffer.written();
}

/** What every run's file begins with: its version, and what the run is. */
function head(run: SinkRun): Buffer {
  const buffer = new RecordBuffer(1024);
  const text = (name: string, value: string) =>
    buffer.add(textEvent(`${OWN}${name}`, value, 0, run.startedAtUs));
  buffer.add(versionEvent(run.startedAtUs));
  text("run_id", run.runId);
  if (run.pipelineHash !== "") text("pipeline_hash", run.pipelineHash);
  for (const [name, value] of Object.entries(run.tags)) text(`tags/${name}`, value);
  return buffer.written();
}
