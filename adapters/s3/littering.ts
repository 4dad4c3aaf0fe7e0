/** What writers that died have left: multipart uploads, objects of probes, and files with spooled streams. */
import { ListMultipartUploadsCommand, type MultipartUpload } from "@aws-sdk/client-s3";
import { oldFiles } from "../old-files.ts";
import type { Litter } from "../registry.ts";
import type { Bucket } from "./bucket.ts";
import { listParts } from "./earlier.ts";
import { listProbes } from "./listing.ts";
import { abortUpload } from "./multipart.ts";
import { SPOOL_NAME } from "./receiving.ts";
import { removeObject } from "./writing.ts";

export interface LitterChoice {
  readonly olderThanMs: number;
  readonly remove: boolean;
}

/** Finds, and with `remove` removes, what is older. */
export async function* litter(
  bucket: Bucket,
  scratch: string,
  choice: LitterChoice,
  signal: AbortSignal,
): AsyncGenerator<Litter> {
  yield* uploads(bucket, choice, signal);
  yield* probes(bucket, choice, signal);
  yield* oldFiles(scratch, (name) => name.startsWith(SPOOL_NAME), choice, signal);
}

async function* uploads(bucket: Bucket, choice: LitterChoice, signal: AbortSignal): AsyncGenerator<Litter> {
  for await (const { Key = "", UploadId = "", Initiated } of everyUpload(bucket, signal)) {
    if (!isOld(Initiated, choice)) continue;
    const key = Key.slice(bucket.spec.prefix.length);
    const parts = await listParts(bucket, key, UploadId, signal);
    if (choice.remove) await abortUpload(bucket, key, UploadId, signal);
    yield { what: `multipart upload of ${key}`, bytes: parts.reduce((sum, { Size = 0 }) => sum + Size, 0) };
  }
}

async function* everyUpload(bucket: Bucket, signal: AbortSignal): AsyncGenerator<MultipartUpload> {
  const first = { Bucket: bucket.spec.bucket, Prefix: bucket.spec.prefix };
  for (let markers = {}; ; ) {
    const input = { ...first, ...markers };
    const answer = await bucket.ask("ListMultipartUploads", undefined, signal, (client, options) =>
      client.send(new ListMultipartUploadsCommand(input), options),
    );
    yield* answer.Uploads ?? [];
    if (answer.IsTruncated !== true || answer.NextKeyMarker === undefined) return;
    markers = { KeyMarker: answer.NextKeyMarker, UploadIdMarker: answer.NextUploadIdMarker };
  }
}

async function* probes(bucket: Bucket, choice: LitterChoice, signal: AbortSignal): AsyncGenerator<Litter> {
  for await (const { key, size, modified } of listProbes(bucket, signal)) {
    if (!isOld(modified, choice)) continue;
    if (choice.remove) await removeObject(bucket, key, signal);
    yield { what: "object of a probe", bytes: size };
  }
}

function isOld(time: Date | undefined, { olderThanMs }: LitterChoice): boolean {
  return time !== undefined && Date.now() - time.getTime() > olderThanMs;
}
