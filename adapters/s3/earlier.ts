/** Parts of an object that an earlier try has sent: they need not be sent again. */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import {
  type CompletedPart,
  type Part as ListedPart,
  ListMultipartUploadsCommand,
  ListPartsCommand,
} from "@aws-sdk/client-s3";
import type { Bucket } from "./bucket.ts";
import { ALGORITHMS, type ChecksumFields, crc32Text } from "./checksum.ts";
import { unless } from "./faults.ts";
import type { Upload } from "./multipart.ts";
import type { Part } from "./parts.ts";
import type { Source } from "./source.ts";

/** Uploads of one key that are looked at, the latest first: more than one or two mean that something is wrong. */
const MAX_LOOKED_AT = 4;

/** The earlier upload of `key` with the most parts of this source; undefined when there is none with any. */
export async function earlierUpload(
  bucket: Bucket,
  key: string,
  source: Source,
  parts: readonly Part[],
  signal: AbortSignal,
): Promise<Upload | undefined> {
  const { Key } = bucket.at(key);
  const listed = await bucket.ask("ListMultipartUploads", undefined, signal, (client, options) =>
    client.send(new ListMultipartUploadsCommand({ Bucket: bucket.spec.bucket, Prefix: Key }), options),
  );
  const uploads = (listed.Uploads ?? [])
    .filter((upload) => upload.Key === Key && takesOurs(bucket, upload.ChecksumAlgorithm))
    .sort((a, b) => (b.Initiated?.getTime() ?? 0) - (a.Initiated?.getTime() ?? 0))
    .slice(0, MAX_LOOKED_AT);
  let best: Upload | undefined;
  for (const { UploadId: id = "" } of uploads) {
    const sent = await listParts(bucket, key, id, signal);
    const equal = await source.open((handle) => equalParts(bucket, handle, source, parts, sent, signal));
    if (equal.size > (best?.parts.size ?? 0)) best = { id, parts: equal };
  }
  return best;
}

/** Whether an upload takes our checksums, as far as its listing tells. */
function takesOurs({ spec }: Bucket, listed: string | undefined): boolean {
  return listed === undefined || spec.checksum === "md5" || listed === ALGORITHMS[spec.checksum];
}

/** Every part that an upload has; none when it is gone. */
export async function listParts(
  bucket: Bucket,
  key: string,
  id: string,
  signal: AbortSignal,
): Promise<readonly ListedPart[]> {
  const found: ListedPart[] = [];
  for (let marker: string | undefined; ; ) {
    const input = {
      ...bucket.at(key),
      UploadId: id,
      ...(marker !== undefined && { PartNumberMarker: marker }),
    };
    const answer = await bucket
      .ask("ListParts", key, signal, (client, options) => client.send(new ListPartsCommand(input), options))
      .catch(unless("upload gone"));
    found.push(...(answer?.Parts ?? []));
    if (answer?.IsTruncated !== true || answer.NextPartNumberMarker === undefined) return found;
    marker = answer.NextPartNumberMarker;
  }
}

/** The parts that are there with our bytes. None at all when one differs: it is another object's upload. */
async function equalParts(
  bucket: Bucket,
  handle: FileHandle,
  source: Source,
  parts: readonly Part[],
  sent: readonly ListedPart[],
  signal: AbortSignal,
): Promise<Map<number, CompletedPart>> {
  const equal = new Map<number, CompletedPart>();
  const buffer = Buffer.allocUnsafeSlow(parts[0]?.length ?? 0);
  for (const part of parts) {
    signal.throwIfAborted();
    // Some servers list each sending of a part.
    const same = sent.filter((listed) => listed.PartNumber === part.number);
    const [first] = same;
    if (first === undefined) continue;
    const bytes = buffer.subarray(0, part.length);
    await source.read(handle, bytes, part.offset);
    if (!same.every((listed) => isEqual(listed, bytes))) return new Map();
    equal.set(part.number, completedPart(part, first.ETag, bucket.checksum(bytes)));
  }
  return equal;
}

/** What CompleteMultipartUpload must be told of a part. */
export function completedPart(
  part: Part,
  etag: string | undefined,
  { ChecksumCRC32, ChecksumSHA256 }: ChecksumFields,
): CompletedPart {
  return {
    PartNumber: part.number,
    ...(etag !== undefined && { ETag: etag }),
    ...(ChecksumCRC32 !== undefined && { ChecksumCRC32 }),
    ...(ChecksumSHA256 !== undefined && { ChecksumSHA256 }),
  };
}

/**
 * By SHA-256 where the server lists it, else by MD5, which the ETag is unless the server encrypts with a key of KMS; there
 * a listed CRC32 will do, since other bytes than ours are not to be expected under a key that follows from the content.
 */
function isEqual(listed: ListedPart, ours: Buffer): boolean {
  if (listed.Size !== ours.length) return false;
  if (listed.ChecksumSHA256 !== undefined) return listed.ChecksumSHA256 === digest("sha256", ours, "base64");
  if (listed.ETag?.replaceAll('"', "") === digest("md5", ours, "hex")) return true;
  return listed.ChecksumCRC32 !== undefined && listed.ChecksumCRC32 === crc32Text(ours);
}

function digest(algorithm: string, bytes: Buffer, encoding: "base64" | "hex"): string {
  return createHash(algorithm).update(bytes).digest(encoding);
}
