/** Small reads: an object whole, and what is known of one. */
import { GetObjectCommand, HeadObjectCommand } from "@aws-sdk/client-s3";
import { ObjectTooLarge, type StoredObject } from "../registry.ts";
import { again, type Body, wholeBody } from "./body.ts";
import type { Bucket } from "./bucket.ts";
import { unless } from "./faults.ts";

const MAX_SMALL_BYTES = 16 * 1024 * 1024;

/** What HEAD tells. */
export interface Head {
  readonly size: number;
  readonly etag: string;
  readonly modifiedAtUs: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Undefined when there is none. */
export function getObject(
  bucket: Bucket,
  key: string,
  signal: AbortSignal,
): Promise<StoredObject | undefined> {
  const get = async (): Promise<StoredObject | undefined> => {
    const answer = await bucket
      .ask("GetObject", key, signal, (client, options) =>
        client.send(new GetObjectCommand(bucket.at(key)), options),
      )
      .catch(unless("missing"));
    if (answer === undefined) return undefined;
    const version = bucket.required(answer.ETag, "an ETag");
    const size = answer.ContentLength ?? 0;
    if (size > MAX_SMALL_BYTES) {
      (answer.Body as unknown as Body).destroy();
      throw new ObjectTooLarge(key);
    }
    return { bytes: await wholeBody(answer.Body, size), version };
  };
  return again(key, get, signal);
}

/** Undefined when there is none. */
export async function headObject(
  bucket: Bucket,
  key: string,
  signal: AbortSignal,
): Promise<Head | undefined> {
  const answer = await bucket
    .ask("HeadObject", key, signal, (client, options) =>
      client.send(new HeadObjectCommand(bucket.at(key)), options),
    )
    .catch(unless("missing"));
  if (answer === undefined) return undefined;
  return {
    size: answer.ContentLength ?? 0,
    etag: bucket.required(answer.ETag, "an ETag"),
    modifiedAtUs: (answer.LastModified?.getTime() ?? 0) * 1000,
    metadata: answer.Metadata ?? {},
  };
}
