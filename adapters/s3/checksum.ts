/** By what the server knows that the bytes of a request came through unharmed. */
import { createHash } from "node:crypto";
import type { S3Client } from "@aws-sdk/client-s3";
import type { ChecksumKind } from "./spec.ts";

/** One of the two. */
export interface ChecksumFields {
  readonly ChecksumSHA256?: string;
  readonly ContentMD5?: string;
}

export function checksumFields(bytes: Buffer, kind: ChecksumKind): ChecksumFields {
  const digest = createHash(kind).update(bytes).digest("base64");
  return kind === "sha256" ? { ChecksumSHA256: digest } : { ContentMD5: digest };
}

/**
 * The signature covers a SHA-256 of the body, which is the checksum when that is one; the SDK would compute it once more.
 * With MD5 the body is left unsigned: the signed MD5 covers it, and two digests of each byte would be slow.
 */
export function signBodyByChecksum(client: S3Client, kind: ChecksumKind): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      const checksum = headers["x-amz-checksum-sha256"];
      if (checksum !== undefined) {
        headers["x-amz-content-sha256"] = Buffer.from(checksum, "base64").toString("hex");
      } else if (kind === "md5" && headers["content-md5"] !== undefined) {
        headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD";
      }
      return next(args);
    },
    // Behind the step that makes headers, before the one that signs.
    { name: "signBodyByChecksum", step: "build" },
  );
}
