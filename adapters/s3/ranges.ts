/** One range of an object, of one version of it. */
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { BackendRefused, BackendUnavailable } from "../registry.ts";
import type { Body } from "./body.ts";
import type { Bucket } from "./bucket.ts";
import { S3Answer } from "./faults.ts";

export interface Range {
  /** Exactly `length` bytes, unless it breaks off. */
  readonly body: unknown;
  readonly length: number;
  /** Size of the object. */
  readonly total: number;
  readonly etag: string;
}

/**
 * Asks for `length` bytes from `offset`, or up to the end. Throws S3Answer `missing` and `beyond the end`, and
 * BackendUnavailable when the object is no longer of the version `etag`.
 */
export async function getRange(
  bucket: Bucket,
  key: string,
  offset: number,
  length: number,
  etag: string | undefined,
  signal: AbortSignal,
): Promise<Range> {
  const input = {
    ...bucket.at(key),
    Range: `bytes=${offset}-${offset + length - 1}`,
    ...(etag !== undefined && { IfMatch: etag }),
  };
  const answer = await bucket
    .ask("GetObject", key, signal, (client, options) => client.send(new GetObjectCommand(input), options))
    .catch((error: unknown) => {
      if (error instanceof S3Answer && error.kind === "changed") throw replaced(key);
      throw error;
    });
  const [, from, to, total] = (/^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? "") ?? []).map(
    Number,
  );
  if (
    from === offset &&
    to !== undefined &&
    total !== undefined &&
    to === Math.min(offset + length, total) - 1
  ) {
    return { body: answer.Body, length: to - from + 1, total, etag: bucket.required(answer.ETag, "an ETag") };
  }
  (answer.Body as unknown as Body).destroy();
  throw new BackendRefused(
    `The server ${bucket.endpoint} answers with another range than the one that was asked for.`,
    "Use a server that knows ranges, and see whether a proxy lies in between.",
  );
}

export function replaced(key: string): BackendUnavailable {
  return new BackendUnavailable(`${key} was replaced while it was being read.`, "Try again.");
}
