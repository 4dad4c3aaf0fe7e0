/**
 * Listing. S3 lists in byte order of the keys. Some servers list by path segments instead, which is another order only
 * where one name of a folder is the beginning of another; their pages are complete all the same.
 */
import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";
import type { ObjectInfo } from "../registry.ts";
import type { Bucket } from "./bucket.ts";
import { PROBE_FOLDER } from "./probe.ts";

export interface Page {
  readonly after?: string;
  readonly limit: number;
}

/** Of S3. */
const MAX_PAGE = 1000;

/** Objects under `prefix`, after a key. */
export async function listObjects(
  bucket: Bucket,
  prefix: string,
  page: Page,
  signal: AbortSignal,
): Promise<readonly ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const { Contents = [] } of pages(bucket, prefix, page, undefined, signal)) {
    for (const { Key = "", Size: size = 0, LastModified } of Contents) {
      const key = Key.slice(bucket.spec.prefix.length);
      if (key.startsWith(PROBE_FOLDER) || key.endsWith("/")) continue;
      found.push({ key, size, modifiedAtUs: (LastModified?.getTime() ?? 0) * 1000 });
      if (found.length >= page.limit) return found;
    }
  }
  return found;
}

/** Distinct first segments after `prefix`, with the prefix before and `/` behind, after one of them. */
export async function listFolders(
  bucket: Bucket,
  prefix: string,
  page: Page,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { CommonPrefixes = [] } of pages(bucket, prefix, page, "/", signal)) {
    for (const { Prefix = "" } of CommonPrefixes) {
      const folder = Prefix.slice(bucket.spec.prefix.length);
      if (folder === PROBE_FOLDER) continue;
      found.push(folder);
      if (found.length >= page.limit) return found;
    }
  }
  return found;
}

/** What probes have left. */
export async function* listProbes(
  bucket: Bucket,
  signal: AbortSignal,
): AsyncGenerator<{ readonly key: string; readonly size: number; readonly modified: Date | undefined }> {
  for await (const { Contents = [] } of pages(bucket, PROBE_FOLDER, { limit: MAX_PAGE }, undefined, signal)) {
    for (const { Key = "", Size = 0, LastModified } of Contents) {
      yield { key: Key.slice(bucket.spec.prefix.length), size: Size, modified: LastModified };
    }
  }
}

async function* pages(
  bucket: Bucket,
  prefix: string,
  { after, limit }: Page,
  delimiter: "/" | undefined,
  signal: AbortSignal,
): AsyncGenerator<ListObjectsV2CommandOutput> {
  const base = bucket.spec.prefix;
  // What lies in the folder `after` comes behind it: the first key that does not is `0`, the byte behind `/`.
  const start = delimiter !== undefined && after?.endsWith("/") ? `${after.slice(0, -1)}0` : after;
  const first = {
    Bucket: bucket.spec.bucket,
    Prefix: base + prefix,
    MaxKeys: Math.min(limit, MAX_PAGE),
    ...(delimiter !== undefined && { Delimiter: delimiter }),
  };
  let from: { readonly StartAfter?: string; readonly ContinuationToken?: string } =
    start === undefined ? {} : { StartAfter: base + start };
  for (;;) {
    const input = { ...first, ...from };
    const answer = await bucket.ask("ListObjectsV2", undefined, signal, (client, options) =>
      client.send(new ListObjectsV2Command(input), options),
    );
    // What is no listing must not be taken for an empty one: a collector believes it.
    bucket.required(answer.Name, "the bucket's name");
    yield answer;
    if (answer.IsTruncated !== true || answer.NextContinuationToken === undefined) return;
    from = { ContinuationToken: answer.NextContinuationToken };
  }
}
