/** Sends one file of an artifact, whole or in parts. */

import type { SinkFile } from "@pipekit/adapters/tracker";
import type { WandbApi } from "./api.ts";
import type { Fault } from "./faults.ts";
import { type ArtifactFile, COMPLETE_PARTS } from "./operations.ts";

export interface Part {
  readonly partNumber: number;
  readonly hexMD5: string;
}

export interface FileUpload {
  /** What W&B has said of the file. */
  readonly node: ArtifactFile;
  readonly file: SinkFile;
  readonly partBytes: number;
  /** Empty when the file is sent as a whole. */
  readonly parts: readonly Part[];
}

/** Sends a file unless W&B has it. */
export async function uploadFile(
  api: WandbApi,
  { node, file, partBytes, parts }: FileUpload,
  signal: AbortSignal,
): Promise<Fault | undefined> {
  const { uploadUrl, uploadMultipartUrls: multipart, storagePath } = node;
  if (multipart && parts.length > 0 && storagePath) {
    const type = headersOf(node.uploadHeaders)["content-type"];
    const done: Part[] = [];
    for (const { partNumber, uploadUrl: url } of multipart.uploadUrlParts) {
      const part = parts[partNumber - 1];
      if (part === undefined) return { kind: "transient", reason: "W&B asks for a part that there is not." };
      const start = (partNumber - 1) * partBytes;
      const headers = {
        "content-md5": Buffer.from(part.hexMD5, "hex").toString("base64"),
        ...(type === undefined ? {} : { "content-type": type }),
      };
      const slice = { path: file.localPath, start, length: Math.min(partBytes, file.size - start) };
      const put = await api.put(url, headers, slice, signal);
      if (!put.ok) return put.fault;
      done.push({ partNumber, hexMD5: put.value });
    }
    const variables = {
      ...{ artifactID: node.artifact.id, storagePath, uploadID: multipart.uploadID, completedParts: done },
    };
    const joined = await api.graphql(COMPLETE_PARTS, variables, signal);
    return joined.ok ? undefined : joined.fault;
  }
  if (!uploadUrl) return undefined;
  const slice = { path: file.localPath, start: 0, length: file.size };
  const put = await api.put(uploadUrl, headersOf(node.uploadHeaders), slice, signal);
  if (put.ok || put.fault.kind !== "tooLarge") return put.ok ? undefined : put.fault;
  return { kind: "tooLarge", reason: `The store takes no file of ${file.size} bytes (status 413).` };
}

/** Headers as W&B lists them: `Name:value`. */
export function headersOf(lines: readonly string[] | null | undefined): Record<string, string> {
  return Object.fromEntries(
    (lines ?? []).flatMap((line) => {
      const colon = line.indexOf(":");
      return colon <= 0 ? [] : [[line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]];
    }),
  );
}
