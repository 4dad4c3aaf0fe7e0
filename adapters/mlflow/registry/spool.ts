/** Large objects on their way to MLflow: hashed first, under no name there until they are published. */

import { randomUUID } from "node:crypto";
import { rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, hashFile, writeHashed } from "../../files.ts";
import { oldFiles } from "../../old-files.ts";
import {
  type BlobSource,
  type Litter,
  type OnBytes,
  type PendingBlob,
  SourceUnreadable,
} from "../../registry.ts";
import type { Files } from "./files.ts";

const NAME = /^mlflow-[0-9a-f-]{36}$/;

/** A file whose bytes are those of the digest as long as it looks like `seen`. */
interface Spooled extends Digest {
  readonly path: string;
  readonly seen: string;
  /** Whether it is removed when it is discarded. */
  readonly ours: boolean;
}

/** Takes in a source. Files are left where they lie, staged ones moved to `scratch` where that needs no copy. */
export async function receiveInto(
  scratch: string,
  files: Files,
  source: BlobSource,
  signal: AbortSignal,
): Promise<PendingBlob> {
  const spooled = await spool(scratch, source, signal);
  return {
    sha256: spooled.sha256,
    size: spooled.size,
    publish: (key, publishing, onBytes) => publish(files, spooled, key, publishing, onBytes),
    discard: async () => {
      if (spooled.ours) await rm(spooled.path, { force: true });
    },
  };
}

/** What processes that died have left in the folder. */
export function spoolLitter(
  scratch: string,
  options: { readonly olderThanMs: number; readonly remove: boolean },
  signal: AbortSignal,
): AsyncGenerator<Litter> {
  return oldFiles(scratch, (name) => NAME.test(name), options, signal);
}

async function spool(scratch: string, source: BlobSource, signal: AbortSignal): Promise<Spooled> {
  const target = join(scratch, `mlflow-${randomUUID()}`);
  if (source.kind === "stream") {
    const digest = await writeHashed(source.chunks, target, signal);
    return { ...digest, path: target, seen: await looks(target), ours: true };
  }
  const before = await looks(source.path);
  const digest = await hashFile(source.path, signal);
  if (before !== (await looks(source.path)))
    throw new SourceUnreadable(source.path, "it was written to meanwhile");
  if (source.kind === "file") return { ...digest, path: source.path, seen: before, ours: false };
  const moved = await rename(source.path, target).then(
    () => true,
    () => false,
  );
  const path = moved ? target : source.path;
  return { ...digest, path, seen: await looks(path), ours: true };
}

/** Sends it unless MLflow has a file of that size there. What was cut off in the middle is sent again. */
async function publish(
  files: Files,
  { path, size, seen }: Spooled,
  key: string,
  signal: AbortSignal,
  onBytes?: OnBytes,
): Promise<boolean> {
  if ((await files.sizeOf(key, signal)) === size) return false;
  const onSent = (bytes: number) => onBytes?.(bytes, size);
  await files.put(key, { path, start: 0, length: size, onSent }, signal);
  if (seen !== (await looks(path))) {
    await files.delete(key, signal);
    throw new SourceUnreadable(path, "it was written to meanwhile");
  }
  const there = await files.sizeOf(key, signal);
  if (there !== size) throw new Error(`MLflow keeps ${there ?? "none"} of the ${size} bytes of ${key}.`);
  onBytes?.(size, size);
  return true;
}

/** What a file looks like from outside; any write to it shows. Throws SourceUnreadable. */
async function looks(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    throw SourceUnreadable.from(path, error);
  }
}
