/** Names of folders and files. A run's files carry its id, so that no other run's file is taken for one of ours. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { SinkRun } from "@pipekit/adapters/tracker";

/** Characters of the id's end, its random part, in the folder's name. */
const ID_CHARACTERS = 8;
/** A folder's name may be 255 bytes; this leaves room for what tools add. */
const NAME_BYTES = 120;
/** Largest time, in seconds, of ten digits: event files are read in the order of their names. */
const LATEST = 9_999_999_999;

/** Folder of a run, below the spec's: what a file name can hold of its name, and the end of its id. */
export function runFolder(run: Pick<SinkRun, "runId" | "name">): string {
  const id = run.runId.slice(-ID_CHARACTERS);
  const plain = run.name
    .normalize("NFC")
    .replaceAll(/[^\p{L}\p{M}\p{N} ._=+,@()-]/gu, "_")
    .replace(/^[. ]+/, "");
  return plain === "" ? id : `${clip(plain)}-${id}`;
}

/** `events.out.tfevents.<seconds>.<host>.<pid>.<uid>`, where we have no pid and the uid is the run's id and part. */
export function eventFile(
  run: Pick<SinkRun, "runId" | "host">,
  seconds: number,
  part: "hparams" | "points",
): string {
  const time = String(Math.min(LATEST, Math.max(0, Math.floor(seconds)))).padStart(10, "0");
  const host = run.host.replaceAll(/[^A-Za-z0-9-]/g, "_").slice(0, 64) || "localhost";
  return `events.out.tfevents.${time}.${host}.0.${run.runId}.${part}`;
}

/** Files with points of this run in its folder, in the order in which they are read; none where there is no folder. */
export function pointFiles(folder: string, runId: string): Promise<string[]> {
  return filesOf(folder, runId, "points");
}

/**
 * The file of the run's params that is there. Its name may tell another start or host than the run does now: of a group
 * both are those of rank 0, which may come last.
 */
export async function sessionFile(folder: string, runId: string): Promise<string | undefined> {
  const [first] = await filesOf(folder, runId, "hparams");
  return first;
}

async function filesOf(folder: string, runId: string, part: "hparams" | "points"): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const end = `.0.${runId}.${part}`;
  const ours = names.filter((name) => name.startsWith("events.out.tfevents.") && name.endsWith(end));
  return ours.sort().map((name) => join(folder, name));
}

function clip(text: string): string {
  let clipped = "";
  for (const character of text) {
    if (Buffer.byteLength(clipped + character) > NAME_BYTES) break;
    clipped += character;
  }
  return clipped.trimEnd();
}
