/** Copying within the bucket: the server moves the bytes. */
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { runWorkers } from "../workers.ts";
import type { Bucket } from "./bucket.ts";
import { S3Answer, unless } from "./faults.ts";
import { type Part, partsOf } from "./parts.ts";
import { replaced } from "./ranges.ts";
import { type Head, headObject } from "./reading.ts";
import { abortUpload } from "./uploading.ts";

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
  const created = await bucket.ask("CreateMultipartUpload", to, signal, (client, options) => {
    const input = { ...bucket.at(to), ...bucket.writeFields, Metadata: { ...head.metadata } };
    return client.send(new CreateMultipartUploadCommand(input), options);
  });
  const upload = { ...bucket.at(to), UploadId: bucket.required(created.UploadId, "an upload id") };
  const etags = new Map<number, string>();
  const copyPart = async (part: Part, stop: AbortSignal): Promise<void> => {
    const range = `bytes=${part.offset}-${part.offset + part.length - 1}`;
    const input = {
      ...upload,
      ...sourceFields(bucket, from, head),
      CopySourceRange: range,
      PartNumber: part.number,
    };
    const answer = await bucket.ask("UploadPartCopy", to, stop, (client, options) =>
      client.send(new UploadPartCopyCommand(input), options),
    );
    etags.set(part.number, answer.CopyPartResult?.ETag ?? "");
  };
  const queue = parts.values();
  const copier = async (stop: AbortSignal): Promise<void> => {
    for (const part of queue) await copyPart(part, stop);
  };
  try {
    await runWorkers(Math.min(AT_A_TIME, parts.length), copier, signal);
    const completed = parts.map(({ number }) => ({ PartNumber: number, ETag: etags.get(number) ?? "" }));
    await bucket.ask("CompleteMultipartUpload", to, signal, (client, options) =>
      client.send(
        new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: completed } }),
        options,
      ),
    );
  } catch (error) {
    // Copied parts are not worth keeping: they are made again quickly.
    const calm = new AbortController().signal;
    await abortUpload(bucket, to, upload.UploadId, calm).catch(unless("upload gone"));
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
