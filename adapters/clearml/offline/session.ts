/** The files of one offline session. */

import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { copyHashed, ensureFolder } from "../../files.ts";
import { type Artifact, artifactFolder, artifactPath, fileEntry, fileFault, uriEntry } from "../artifacts.ts";
import { exists, PARTIAL, viaTemporary } from "./files.ts";
import { TASK_FILE, type TaskFile } from "./task-file.ts";
import { writeZip, type ZipSource } from "./zip.ts";

const METRICS_FILE = "metrics.jsonl";
const DATA_FOLDER = "data";

/** Where a session lies. */
export interface Session {
  /** Task id in the session, in ClearML's form; the same for a run and project whenever it is asked for. */
  readonly id: string;
  readonly folder: string;
  /** Its file of points. */
  readonly metrics: string;
  readonly zip: string;
}

export function sessionOf(folder: string, project: string, runId: string): Session {
  const digest = createHash("sha256").update(`${project}\n${runId}`).digest("hex").slice(0, 32);
  const id = `offline-${digest}`;
  const own = join(folder, id);
  return { id, folder: own, metrics: join(own, METRICS_FILE), zip: join(folder, `${id}.zip`) };
}

/** Copies an artifact into the session. Gives the reason when it never can be; throws faults of the file system. */
export async function storeArtifact(
  session: Session,
  task: TaskFile,
  project: string,
  artifact: Artifact,
  signal: AbortSignal,
): Promise<string | undefined> {
  const base = join(session.folder, DATA_FOLDER, artifactFolder(project, task.name, session.id));
  const now = Date.now();
  const entries = artifact.uri === "" ? [] : [uriEntry(artifact, now)];
  for (const file of artifact.files) {
    const missing = await fileFault(artifact, file);
    if (missing !== undefined) return missing;
    const target = join(base, artifactPath(artifact, file));
    await ensureFolder(dirname(target));
    const { sha256 } = await viaTemporary(target, (temporary) =>
      copyHashed(file.localPath, temporary, signal),
    );
    if (sha256 !== file.sha256)
      return `A file of the artifact \`${artifact.name}\` has other bytes than were logged.`;
    entries.push(fileEntry(artifact, file, target, now));
  }
  for (const entry of entries) task.attach(entry);
  return undefined;
}

/** Zips under way, by path: they go on when the call that began them has ended, so that a long one is not begun anew. */
const zipping = new Map<string, Promise<void>>();

/** The zip under way, if there is one. Never rejects. */
export async function zipSettled(session: Session): Promise<void> {
  await zipping.get(session.zip)?.catch(() => undefined);
}

/** Makes the zip unless it is there already. Throws faults of the file system. */
export async function makeZip(session: Session): Promise<void> {
  const running = zipping.get(session.zip);
  if (running !== undefined) return await running;
  const making = packed(session).finally(() => zipping.delete(session.zip));
  zipping.set(session.zip, making);
  await making;
}

async function packed(session: Session): Promise<void> {
  if (await exists(session.zip)) return;
  const sources = await sourcesOf(session.folder);
  const never = new AbortController().signal;
  await viaTemporary(session.zip, (temporary) => writeZip(temporary, sources, never));
}

async function sourcesOf(folder: string): Promise<ZipSource[]> {
  const sources: ZipSource[] = [];
  for (const name of [TASK_FILE, METRICS_FILE]) {
    const path = join(folder, name);
    if (await exists(path)) sources.push({ name, path, compress: true });
  }
  const data = join(folder, DATA_FOLDER);
  if (!(await exists(data))) return sources;
  for (const entry of await readdir(data, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith(PARTIAL)) continue;
    const path = join(entry.parentPath, entry.name);
    sources.push({ name: path.slice(folder.length + 1), path, compress: false });
  }
  return sources.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
