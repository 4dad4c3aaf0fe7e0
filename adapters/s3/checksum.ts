/** By what the server knows that the bytes of a request came through unharmed. */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { S3Client } from "@aws-sdk/client-s3";
import type { ChecksumKind } from "./spec.ts";

/** One of the three. */
export interface ChecksumFields {
  readonly ChecksumCRC32?: string;
  readonly ChecksumSHA256?: string;
  readonly ContentMD5?: string;
}

/** The name by which CreateMultipartUpload is told of the checksums of the parts; MD5 has none. */
export const ALGORITHMS = { crc32: "CRC32", sha256: "SHA256", md5: undefined } as const;

export function checksumFields(bytes: Buffer, kind: ChecksumKind): ChecksumFields {
  if (kind === "crc32") return { ChecksumCRC32: crc32Text(bytes) };
  const digest = createHash(kind).update(bytes).digest("base64");
  return kind === "sha256" ? { ChecksumSHA256: digest } : { ContentMD5: digest };
}

/** As S3 writes it: base64 of the number, the highest byte first. */
export function crc32Text(bytes: Buffer): string {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(crc32(bytes));
  return number.toString("base64");
}

/**
 * The signature covers a SHA-256 of the body, which is the checksum when that is one; else the SDK computes it. Bodies of
 * parts are left unsigned instead: the signed checksum covers them, and a SHA-256 of each byte costs this host and the
 * server more than all else. Whoever could change a body in spite of that would be found out at the next load: the SHA-256
 * of weights stands in metadata.json, which is signed.
 */
export function signBodyByChecksum(client: S3Client): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        const { headers } = args.request as { headers: Record<string, string> };
        const checksum = headers["x-amz-checksum-sha256"];
        if (checksum !== undefined) {
          headers["x-amz-content-sha256"] = Buffer.from(checksum, "base64").toString("hex");
        } else if (commandName === "UploadPartCommand") {
          headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD";
        }
        return next(args);
      },
    // Behind the step that makes headers, before the one that signs.
    { name: "signBodyByChecksum", step: "build" },
  );
}
