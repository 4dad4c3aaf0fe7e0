/** An object that is made of parts: begun, completed, given up. */
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
} from "@aws-sdk/client-s3";
import type { Bucket } from "./bucket.ts";
import { unless } from "./faults.ts";

/** A multipart upload under way, and the parts that it has, by their numbers. */
export interface Upload {
  readonly id: string;
  readonly parts: Map<number, CompletedPart>;
}

export async function createUpload(
  bucket: Bucket,
  key: string,
  fields: Pick<CreateMultipartUploadCommandInput, "Metadata" | "ChecksumAlgorithm">,
  signal: AbortSignal,
): Promise<Upload> {
  const input = { ...bucket.at(key), ...bucket.writeFields, ...fields };
  const answer = await bucket.ask("CreateMultipartUpload", key, signal, (client, options) =>
    client.send(new CreateMultipartUploadCommand(input), options),
  );
  return { id: bucket.required(answer.UploadId, "an upload id"), parts: new Map() };
}

export async function completeUpload(
  bucket: Bucket,
  key: string,
  upload: Upload,
  signal: AbortSignal,
): Promise<void> {
  const parts = [...upload.parts.values()].sort((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0));
  const input = { ...bucket.at(key), UploadId: upload.id, MultipartUpload: { Parts: parts } };
  await bucket.ask("CompleteMultipartUpload", key, signal, (client, options) =>
    client.send(new CompleteMultipartUploadCommand(input), options),
  );
}

/** Gives an upload and its parts up; harmless when it is gone. */
export async function abortUpload(
  bucket: Bucket,
  key: string,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  const input = { ...bucket.at(key), UploadId: id };
  await bucket
    .ask("AbortMultipartUpload", key, signal, (client, options) =>
      client.send(new AbortMultipartUploadCommand(input), options),
    )
    .catch(unless("upload gone"));
}
