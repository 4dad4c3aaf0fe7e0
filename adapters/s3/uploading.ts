/**
 * Sending a file to its key: in one request when it is small, else in parts, several at a time. Parts of a try that was
 * cancelled or killed stay with the server and are used by the next try; `litter` finds those that nobody came back for.
 *
 * CompleteMultipartUpload replaces what is there, and the condition that S3 knows for it is not atomic on all servers. The
 * keys of large objects follow from their content, so two who write one key write the same.
 */
import { type CompletedPart, UploadPartCommand } from "@aws-sdk/client-s3";
import { BackendRefused, BackendUnavailable, type OnBytes } from "../registry.ts";
import { runWorkers } from "../workers.ts";
import type { Bucket } from "./bucket.ts";
import { ALGORITHMS } from "./checksum.ts";
import { completedPart, earlierUpload } from "./earlier.ts";
import { S3Answer } from "./faults.ts";
import { abortUpload, completeUpload, createUpload, type Upload } from "./multipart.ts";
import { type Part, partsAtATime, partsOf } from "./parts.ts";
import { headObject } from "./reading.ts";
import type { Source } from "./source.ts";
import { putIf, putObject } from "./writing.ts";

/** Uploads that somebody else has completed or aborted meanwhile, after which a sender gives up. */
const MAX_ROUNDS = 4;

/** Sends the file unless the key exists. Whether it was created. Throws SourceUnreadable. */
export async function upload(
  bucket: Bucket,
  key: string,
  source: Source,
  signal: AbortSignal,
  onBytes: OnBytes,
): Promise<boolean> {
  const { size } = source.digest;
  let goesOn = true;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    if ((await headObject(bucket, key, signal)) !== undefined) return false;
    onBytes(0, size);
    if (size < bucket.tuning.multipartFrom) return sendWhole(bucket, key, source, signal, onBytes);
    const earlier = goesOn
      ? await earlierUpload(bucket, key, source, partsFor(bucket, source), signal)
      : undefined;
    try {
      await sendInParts(bucket, key, source, earlier, signal, onBytes);
      return true;
    } catch (error) {
      // An earlier upload that was begun with other checksums takes no parts with ours.
      if (earlier !== undefined && error instanceof BackendRefused) goesOn = false;
      // Another sender has completed the upload that both had found, or a collector has taken it for litter.
      else if (!(error instanceof S3Answer) || error.kind !== "upload gone") throw error;
    }
  }
  throw new BackendUnavailable(
    `Uploads of ${key} vanish again and again while they are under way.`,
    "Try again.",
  );
}

async function sendWhole(
  bucket: Bucket,
  key: string,
  source: Source,
  signal: AbortSignal,
  onBytes: OnBytes,
): Promise<boolean> {
  const { size } = source.digest;
  const bytes = Buffer.allocUnsafeSlow(size);
  await source.open((handle) => source.read(handle, bytes, 0));
  await source.check();
  const fields = { Metadata: metadataOf(source) };
  const version = bucket.spec.unsafe
    ? await putObject(bucket, key, bytes, fields, signal)
    : await putIf(bucket, key, bytes, { IfNoneMatch: "*" }, signal, fields);
  onBytes(size, size);
  return version !== undefined;
}

async function sendInParts(
  bucket: Bucket,
  key: string,
  source: Source,
  earlier: Upload | undefined,
  signal: AbortSignal,
  onBytes: OnBytes,
): Promise<void> {
  const parts = partsFor(bucket, source);
  const upload = earlier ?? (await newUpload(bucket, key, source, signal));
  const missing = parts.filter((part) => !upload.parts.has(part.number));
  let done = source.digest.size - missing.reduce((sum, part) => sum + part.length, 0);
  onBytes(done, source.digest.size);
  await source.open(async (handle) => {
    const queue = missing.values();
    const sender = async (stop: AbortSignal): Promise<void> => {
      const buffer = Buffer.allocUnsafeSlow(parts[0]?.length ?? 0);
      for (const part of queue) {
        const bytes = buffer.subarray(0, part.length);
        await source.read(handle, bytes, part.offset);
        upload.parts.set(part.number, await sendPart(bucket, key, upload, part, bytes, stop));
        done += part.length;
        onBytes(done, source.digest.size);
      }
    };
    await runWorkers(partsAtATime(missing, bucket.tuning.sending), sender, signal);
  });
  await checkOrAbort(bucket, key, upload, source, signal);
  await completeUpload(bucket, key, upload, signal);
}

function partsFor(bucket: Bucket, source: Source): readonly Part[] {
  return partsOf(source.digest.size, bucket.tuning.partBytes);
}

function newUpload(bucket: Bucket, key: string, source: Source, signal: AbortSignal): Promise<Upload> {
  const algorithm = ALGORITHMS[bucket.spec.checksum];
  const fields = {
    Metadata: metadataOf(source),
    ...(algorithm !== undefined && { ChecksumAlgorithm: algorithm }),
  };
  return createUpload(bucket, key, fields, signal);
}

async function sendPart(
  bucket: Bucket,
  key: string,
  upload: Upload,
  part: Part,
  bytes: Buffer,
  signal: AbortSignal,
): Promise<CompletedPart> {
  const checksum = bucket.checksum(bytes);
  const input = { ...bucket.at(key), UploadId: upload.id, PartNumber: part.number, Body: bytes, ...checksum };
  const answer = await bucket.ask("UploadPart", key, signal, (client, options) =>
    client.send(new UploadPartCommand(input), options),
  );
  return completedPart(part, answer.ETag, checksum);
}

/** Parts of a file that was changed are of no use to anybody. */
async function checkOrAbort(
  bucket: Bucket,
  key: string,
  upload: Upload,
  source: Source,
  signal: AbortSignal,
): Promise<void> {
  try {
    await source.check();
  } catch (error) {
    await abortUpload(bucket, key, upload.id, signal);
    throw error;
  }
}

/** The digest, where it is known, lies beside the object, for whoever looks at it without reading it. */
function metadataOf({ digest }: Source): Record<string, string> {
  return digest.sha256 === "" ? {} : { sha256: digest.sha256 };
}
