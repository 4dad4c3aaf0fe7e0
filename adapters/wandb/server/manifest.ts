/** The manifest of a W&B artifact: what it holds, and the digest that names this content. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { SinkRecord } from "@pipekit/adapters/tracker";

export type Artifact = Extract<SinkRecord, { kind: "artifact" }>;

/** A file or a reference of an artifact. */
export interface Entry {
  /** Path in the artifact. */
  readonly path: string;
  /** Base64 MD5 of a file; the address of a reference. */
  readonly digest: string;
  readonly size?: number;
  readonly ref?: string;
  readonly birthArtifactID?: string;
}

/** Entries of a manifest, sorted as their digest wants it. */
export function sorted(entries: readonly Entry[]): readonly Entry[] {
  // By code points, as Python sorts; JavaScript's own order is by UTF-16 units.
  return entries.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

/** W&B's MANIFEST_MD5 of entries: hex. */
export function manifestDigest(entries: readonly Entry[]): string {
  const hash = createHash("md5").update("wandb-artifact-manifest-v1\n");
  for (const { path, digest } of sorted(entries)) hash.update(`${path}:${digest}\n`);
  return hash.digest("hex");
}

/** The manifest file. */
export function manifestJson(entries: readonly Entry[]): string {
  const contents = Object.fromEntries(sorted(entries).map(({ path, ...entry }) => [path, entry]));
  return JSON.stringify({
    version: 1,
    storagePolicy: "wandb-storage-policy-v1",
    storagePolicyConfig: { storageLayout: "V2" },
    contents,
  });
}

/** MD5 of a file and of each of its parts. */
export interface FileDigests {
  /** Bytes that were read. */
  readonly size: number;
  readonly base64: string;
  /** Hex, one for each part, in order. */
  readonly parts: readonly string[];
}

/** Reads a file once. Throws when it cannot be read, or `signal` aborts. */
export async function digestFile(path: string, partBytes: number, signal: AbortSignal): Promise<FileDigests> {
  const whole = createHash("md5");
  const parts: string[] = [];
  let part = createHash("md5");
  let filled = 0;
  let size = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024, signal })) {
    let bytes = chunk as Buffer;
    whole.update(bytes);
    size += bytes.length;
    while (filled + bytes.length >= partBytes) {
      part.update(bytes.subarray(0, partBytes - filled));
      parts.push(part.digest("hex"));
      bytes = bytes.subarray(partBytes - filled);
      part = createHash("md5");
      filled = 0;
    }
    part.update(bytes);
    filled += bytes.length;
  }
  if (filled > 0) parts.push(part.digest("hex"));
  return { size, base64: whole.digest("base64"), parts };
}
