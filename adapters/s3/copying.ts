/** Copying within the bucket: the server moves the bytes. */
import { CopyObjectCommand, UploadPartCopyCommand } from "@aws-sdk/client-s3";
import { eachOf } from "../workers.ts";
import type { Bucket } from "./bucket.ts";
import { S3Answer } from "./faults.ts";
import { abortUpload, completeUpload, createUpload } from "./multipart.ts";
import { type Part, partsOf } from "./parts.ts";
import { replaced } from "./ranges.ts";
import { type Head, headObject } from "./reading.ts";

const AT_A_TIME = 8;

/** False when `from` is gone; when `to` exists, it stays. */
export async function copyObject(
  bucket: Bucket,
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<boolean> {
  const head = await headObject(bucket, from, signal);
  if (head === undefined) return false;
  if ((await headObject(bucket, to, signal)) !== undefined) return true;
  try {
    if (head.size < bucket.tuning.copyPartsFrom) await copyWhole(bucket, from, to, head, signal);
    else await copyInParts(bucket, from, to, head, signal);
    return true;
  } catch (error) {
    if (!(error instanceof S3Answer)) throw error;
    if (error.kind === "missing") return false;
    throw error.kind === "changed" ? replaced(from) : error;
  }
}

async function copyWhole(
  bucket: Bucket,
  from: string,
  to: string,
  head: Head,
  signal: AbortSignal,
): Promise<void> {
  const input = { ...bucket.at(to), ...bucket.writeFields, ...sourceFields(bucket, from, head) };
  await bucket.ask("CopyObject", to, signal, (client, options) =>
    client.send(new CopyObjectCommand(input), options),
  );
}

async function copyInParts(
  bucket: Bucket,
  from: string,
  to: string,
  head: Head,
  signal: AbortSignal,
): Promise<void> {
  const parts = partsOf(head.size, bucket.tuning.copyPartBytes);
  const upload = await createUpload(bucket, to, { Metadata: { ...head.metadata } }, signal);
  const copyPart = async (part: Part, stop: AbortSignal): Promise<void> => {
    const range = `bytes=${part.offset}-${part.offset + part.length - 1}`;
    const input = {
      ...bucket.at(to),
      UploadId: upload.id,
      ...sourceFields(bucket, from, head),
      CopySourceRange: range,
      PartNumber: part.number,
    };
    const answer = await bucket.ask("UploadPartCopy", to, stop, (client, options) =>
      client.send(new UploadPartCopyCommand(input), options),
    );
    const ETag = answer.CopyPartResult?.ETag ?? "";
    upload.parts.set(part.number, { PartNumber: part.number, ETag });
  };
  try {
    await eachOf(parts, AT_A_TIME, copyPart, signal);
    await completeUpload(bucket, to, upload, signal);
  } catch (error) {
    // Copied parts are not worth keeping: they are made again quickly.
    const calm = new AbortController().signal;
    await abortUpload(bucket, to, upload.id, calm);
    throw error;
  }
}

function sourceFields(bucket: Bucket, from: string, head: Head) {
  const { Bucket: name, Key } = bucket.at(from);
  return {
    CopySource: `${name}/${Key.split("/").map(encodeURIComponent).join("/")}`,
    CopySourceIfMatch: head.etag,
  };
}
