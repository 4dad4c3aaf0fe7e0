/**
 * Conditional writes of small objects, and removal. The version is the ETag, which for most servers is the MD5 of the
 * bytes: writing old bytes again gives the old version. Whoever replaces objects must make each write's bytes unlike any
 * other's, as the registry does with nonces.
 */
import { setTimeout } from "node:timers/promises";
import { DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { BackendUnavailable, type ObjectVersion } from "../registry.ts";
import type { Bucket } from "./bucket.ts";
import { S3Answer } from "./faults.ts";
import { getObject } from "./reading.ts";

/** What must hold for a write to be done. */
export type Condition = { readonly IfNoneMatch: "*" } | { readonly IfMatch: string };

/** How small objects are written. */
export interface Writes {
  /** Throws unless the server can be trusted with what the others do. */
  ready(signal: AbortSignal): Promise<void>;
  create(key: string, bytes: Buffer, signal: AbortSignal): Promise<ObjectVersion | undefined>;
  replace(
    key: string,
    bytes: Buffer,
    version: ObjectVersion,
    signal: AbortSignal,
  ): Promise<ObjectVersion | undefined>;
}

/** Answers "another write is under way" after which a writer gives up. */
const MAX_CONFLICTS = 30;

/** One PutObject. Throws S3Answer `changed` or `missing` when the condition is false, `conflict` when it is not known. */
export async function putObject(
  bucket: Bucket,
  key: string,
  bytes: Buffer,
  fields: Partial<Condition> & { readonly Metadata?: Record<string, string> },
  signal: AbortSignal,
): Promise<ObjectVersion> {
  const input = {
    ...bucket.at(key),
    ...bucket.writeFields,
    ...bucket.checksum(bytes),
    ...fields,
    Body: bytes,
  };
  const answer = await bucket.ask("PutObject", key, signal, (client, options) =>
    client.send(new PutObjectCommand(input), options),
  );
  return bucket.required(answer.ETag, "an ETag");
}

/** Removes an object, if there is one. */
export async function removeObject(bucket: Bucket, key: string, signal: AbortSignal): Promise<void> {
  await bucket.ask("DeleteObject", key, signal, (client, options) =>
    client.send(new DeleteObjectCommand(bucket.at(key)), options),
  );
}

/** Writes under a condition; the new version, or undefined when the condition was false. */
export async function putIf(
  bucket: Bucket,
  key: string,
  bytes: Buffer,
  condition: Condition,
  signal: AbortSignal,
  fields: { readonly Metadata?: Record<string, string> } = {},
): Promise<ObjectVersion | undefined> {
  let unclear = false;
  for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts++) {
    try {
      return await putObject(bucket, key, bytes, { ...fields, ...condition }, signal);
    } catch (error) {
      if (!(error instanceof S3Answer)) throw error;
      // An earlier request may have been carried out and its answer lost; the repetition then meets its own work.
      unclear ||= error.attempts > 1;
      const lost = error.kind === "changed" || (error.kind === "missing" && "IfMatch" in condition);
      if (lost) return unclear ? ours(bucket, key, bytes, signal) : undefined;
      if (error.kind !== "conflict") throw error;
    }
    await setTimeout(Math.random() * Math.min(10 * 2 ** conflicts, 1000), undefined, { signal });
  }
  throw new BackendUnavailable(`${key} is being written by others again and again.`, "Try again.");
}

/** The version of an object with just these bytes. */
async function ours(
  bucket: Bucket,
  key: string,
  bytes: Buffer,
  signal: AbortSignal,
): Promise<ObjectVersion | undefined> {
  const found = await getObject(bucket, key, signal);
  return found?.bytes.equals(bytes) ? found.version : undefined;
}
