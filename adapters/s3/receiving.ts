/** Taking a large object in: its digest is known and its bytes lie on this host before anything is sent. */
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeHashed } from "../files.ts";
import type { BlobSource, OnBytes, PendingBlob } from "../registry.ts";
import type { Bucket } from "./bucket.ts";
import { Source } from "./source.ts";
import { upload } from "./uploading.ts";

/** Files in the scratch folder that hold streams begin so. */
export const SPOOL_NAME = "s3-";

/** Throws SourceUnreadable. A cancelled call leaves a staged file to its owner; a received one is removed in the end. */
export async function receive(
  bucket: Bucket,
  scratch: string,
  from: BlobSource,
  signal: AbortSignal,
): Promise<PendingBlob> {
  const source = await take(scratch, from, signal);
  return {
    ...source.digest,
    publish: (key: string, publishing: AbortSignal, onBytes: OnBytes = () => undefined) =>
      upload(bucket, key, source, publishing, onBytes),
    async discard() {
      if (from.kind !== "file") await rm(source.path, { force: true });
    },
  };
}

async function take(scratch: string, from: BlobSource, signal: AbortSignal): Promise<Source> {
  if (from.kind !== "stream") return Source.of(from.path, signal);
  const spool = join(scratch, `${SPOOL_NAME}${randomUUID()}`);
  return Source.known(spool, await writeHashed(from.chunks, spool, signal));
}
