/** The `.wandb` file of one run, and how it is found again. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { SinkRun } from "@pipekit/adapters/tracker";
import { AppendFile, sizeOf } from "../../append-file.ts";
import { FileRefusal } from "../../file-faults.ts";
import { demandFolder, type OpenFile, orClose } from "../../file-run.ts";
import { ensureFolder } from "../../files.ts";
import type { Note } from "../../notes.ts";
import { NO_ROWS } from "../history.ts";
import { Facts } from "../server/facts.ts";
import type { OfflineSpec } from "../spec.ts";
import { countCells } from "./count.ts";
import { FILE_HEADER, frameRecords, readLog } from "./log-file.ts";
import type { Memo } from "./memo.ts";
import { logFile, RUNS, runFolder } from "./places.ts";
import {
  axisRecord,
  type Draft,
  environmentRecord,
  exitRecord,
  finalRecord,
  headerRecord,
  historyRecord,
  numbered,
  runRecord,
  statsRecord,
  summaryRecord,
} from "./records.ts";
import { runFacts } from "./run-facts.ts";

/** Appends records to a file; the memo says what is settled then. Throws faults of the file system. */
export async function append(
  file: AppendFile,
  run: SinkRun,
  drafts: readonly Draft[],
  memo: Omit<Memo, "bytes">,
): Promise<Memo> {
  const bytes = frameRecords(inOrder(drafts, memo.records), file.length);
  const records = memo.records + drafts.length;
  const tail = frameRecords(inOrder(openEnd(run, memo), records), file.length + bytes.length);
  await file.write(bytes, tail);
  return { ...memo, records, bytes: file.length };
}

/** Starts a run's file; what is there of it already is written anew. */
export async function startRun(
  spec: OfflineSpec,
  run: SinkRun,
  note: Note,
  signal: AbortSignal,
): Promise<OpenFile<Memo>> {
  const folder = runFolder(run);
  const path = join(spec.folder, RUNS, folder);
  await ensureFolder(path);
  // Its own reader and its clean-up look for these.
  for (const name of ["files", "logs"]) await mkdir(join(path, name), { recursive: true });
  const start = { folder, records: 0, history: NO_ROWS, events: NO_ROWS, end: null };
  const log = await createLog(logFile(path, run.runId), run, spec, start, signal);
  if (log.replaced > log.memo.bytes)
    note(`${path} held an earlier delivery of this run; it is written anew.`);
  return log;
}

/**
 * Goes on with a run's file. Points before the cursor are not sent again, so what someone else removed or cut stays gone
 * here; it is named, and the run can be written whole to another folder.
 */
export async function resumeRun(
  spec: OfflineSpec,
  run: SinkRun,
  memo: Memo,
  note: Note,
  signal: AbortSignal,
): Promise<OpenFile<Memo>> {
  await demandFolder(spec.folder);
  const path = join(spec.folder, RUNS, memo.folder);
  const name = logFile(path, run.runId);
  const anew = `\`pkx sync ${run.runId} --to 'wandb+offline:///another/folder?project=…'\` writes the run whole.`;
  const found = await AppendFile.resume(name, memo.bytes, signal);
  if (found instanceof AppendFile)
    return { file: found, memo: await orClose(found, () => append(found, run, [], memo)) };
  if (found !== "gone") {
    const whole = await readLog(name, () => {}, signal);
    if (whole > 0) {
      const file = await AppendFile.resume(name, whole, signal);
      if (!(file instanceof AppendFile)) throw new FileRefusal(`${name} is being changed by someone else.`);
      note(`Someone else cut ${name} to ${found.size} bytes, and points of it are lost there; ${anew}`);
      return { file, memo: await orClose(file, () => append(file, run, [], memo)) };
    }
  }
  await ensureFolder(path);
  const log = await createLog(name, run, spec, { ...memo, records: 0 }, signal);
  note(`Someone else removed ${name}, and the points in it are lost there; ${anew}`);
  return log;
}

/** Goes on with a run whose memo cannot be read: behind all that is there. */
export async function salvageRun(
  spec: OfflineSpec,
  run: SinkRun,
  note: Note,
  signal: AbortSignal,
): Promise<OpenFile<Memo>> {
  const folder = runFolder(run);
  const path = logFile(join(spec.folder, RUNS, folder), run.runId);
  if ((await sizeOf(path)) === undefined) return await startRun(spec, run, note, signal);
  const { bytes, records, lines, lastStep } = await countCells(path, signal);
  note("What was kept of this run cannot be read: points sent last may be shown twice.");
  const history = { lines, lastStep, displaced: true };
  return await resumeRun(
    spec,
    run,
    { folder, bytes, records, history, events: NO_ROWS, end: null },
    note,
    signal,
  );
}

/** What stands behind the settled records: the lines that may still grow, and how the run ended, if it has. */
function openEnd(run: SinkRun, { history, events, end }: Omit<Memo, "bytes">): readonly Draft[] {
  const drafts: Draft[] = [];
  const { open } = history;
  if (open !== undefined) {
    drafts.push(historyRecord(open, run.startedAtUs), summaryRecord([open], run.startedAtUs));
  }
  if (events.open !== undefined) drafts.push(statsRecord(events.open));
  if (end !== null) {
    drafts.push(exitRecord(exitCode(end), (end.endedAtUs - run.startedAtUs) / 1e6), finalRecord());
  }
  return drafts;
}

/** 255 is what W&B's client gives a run that was interrupted. */
function exitCode({ state, reason }: NonNullable<Memo["end"]>): number {
  if (state === "completed") return 0;
  return reason === "killed" ? 255 : 1;
}

function inOrder(drafts: readonly Draft[], before: number): Uint8Array[] {
  return drafts.map((draft, index) => numbered(draft, before + index + 1));
}

/** A new file with its head. `replaced` is the size of the one that was there. */
async function createLog(
  path: string,
  run: SinkRun,
  spec: OfflineSpec,
  memo: Omit<Memo, "bytes">,
  signal: AbortSignal,
): Promise<OpenFile<Memo> & { readonly replaced: number }> {
  const replaced = (await sizeOf(path)) ?? 0;
  const file = await AppendFile.create(path, signal);
  const head = [
    headerRecord(),
    runRecord(run, spec, runFacts(Facts.starting(run, undefined))),
    environmentRecord(run),
    axisRecord(),
  ];
  return await orClose(file, async () => {
    await file.write(FILE_HEADER);
    return { file, memo: await append(file, run, head, memo), replaced };
  });
}
