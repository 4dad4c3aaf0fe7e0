/** Checks that a backup is as it was written: every byte, that nothing is missing, and that nothing was added. */
import { createHash } from "node:crypto";
import { corrupt, JOURNAL, MANIFEST, SUMS } from "./form.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { entriesOf } from "./reading.ts";
import { readSums } from "./sums.ts";

/** How far it is. */
export interface Checked {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Reads all of a backup. `targetOf` names the new file that a file of it is written to; nothing is to be believed of
 * those before this returns. Throws CORRUPT_BACKUP that names the file, FORMAT_TOO_NEW, INVALID_ARGUMENT.
 */
export async function checkBackup(
  backup: string,
  targetOf: (path: string) => Promise<string | undefined>,
  onChecked: (checked: Checked) => void,
  signal: AbortSignal,
): Promise<Manifest> {
  const found = new Map<string, string>();
  const documents = new Map<string, string>();
  let bytes = 0;
  for await (const entry of entriesOf(backup, signal)) {
    signal.throwIfAborted();
    const { path } = entry;
    if (found.has(path) || documents.has(path)) throw corrupt(backup, path, "is there twice");
    if (path === SUMS || path === MANIFEST) {
      documents.set(path, await entry.text());
      continue;
    }
    const { sha256, size } = await entry.read(await targetOf(path));
    found.set(path, sha256);
    bytes += size;
    onChecked({ files: found.size, bytes });
  }
  const [text, sums] = [documents.get(MANIFEST), documents.get(SUMS)];
  if (text === undefined) throw corrupt(backup, "", `has no ${MANIFEST}: it was cut short, or is no backup`);
  const manifest = readManifest(backup, text);
  if (sums === undefined) throw corrupt(backup, SUMS, "is missing");
  if (createHash("sha256").update(sums).digest("hex") !== manifest.sums)
    throw corrupt(backup, SUMS, "is not as it was written");
  compare(backup, readSums(sums), found);
  if (!found.has(JOURNAL)) throw corrupt(backup, JOURNAL, "is missing");
  return manifest;
}

function compare(
  backup: string,
  expected: ReadonlyMap<string, string> | undefined,
  found: ReadonlyMap<string, string>,
): void {
  if (expected === undefined) throw corrupt(backup, SUMS, "cannot be read");
  for (const [path, sha256] of expected) {
    const there = found.get(path);
    if (there === undefined) throw corrupt(backup, path, "is missing");
    if (there !== sha256) throw corrupt(backup, path, `is not what ${SUMS} says`);
  }
  for (const path of found.keys()) if (!expected.has(path)) throw corrupt(backup, path, `is not in ${SUMS}`);
}
