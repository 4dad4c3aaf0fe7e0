/** Where a spec points: bucket, prefix and endpoint, checked. */
import { SpecError } from "../tracker.ts";

const DEFAULT_PREFIX = "models/";
/** Keys have 1024 bytes; the longest key of a registry needs less than half of them. */
const LONGEST_PREFIX = 512;
const BUCKET_MEND = "Use 3 to 63 lower-case letters, digits, dots and hyphens: `s3://my-bucket/models/`.";
const PREFIX_MEND =
  "Use letters, digits and `. _ = + @ ~ -` between single slashes: `s3://my-bucket/team/models/`.";
const ENDPOINT_MEND = "Write it like `endpoint=https://s3.example.org:9000`.";

/** Throws SpecError. */
export function readBucket(bucket: string): string {
  if (bucket === "") throw new SpecError("The S3 spec names no bucket.", BUCKET_MEND);
  if (bucket.endsWith("--x-s3")) {
    throw new SpecError(
      "The bucket of the S3 spec is a directory bucket, which lists its keys in no order.",
      "Use a general purpose bucket.",
    );
  }
  const plain = /^[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]$/.test(bucket) && !bucket.includes("..");
  if (plain && !/^\d+\.\d+\.\d+\.\d+$/.test(bucket)) return bucket;
  throw new SpecError("The bucket of the S3 spec is no name of a bucket.", BUCKET_MEND);
}

/** The prefix with a slash at its end; the default one for an empty path. Throws SpecError. */
export function readPrefix(path: string): string {
  let prefix: string;
  try {
    prefix = decodeURIComponent(path).replace(/^\//, "").replace(/\/$/, "");
  } catch {
    throw new SpecError("The prefix of the S3 spec is not percent-encoded UTF-8.", PREFIX_MEND);
  }
  if (prefix === "") return DEFAULT_PREFIX;
  const segments = prefix.split("/");
  const plain = segments.every(
    (segment) => /^[\w.=+@~-]+$/.test(segment) && segment !== "." && segment !== "..",
  );
  if (plain && prefix.length < LONGEST_PREFIX) return `${prefix}/`;
  throw new SpecError("The prefix of the S3 spec is no plain path.", PREFIX_MEND);
}

/** The address without a slash at its end. Throws SpecError. */
export function readEndpoint(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    throw new SpecError("The `endpoint` of the S3 spec is no address.", ENDPOINT_MEND);
  }
  if (url.username !== "" || url.password !== "") {
    throw new SpecError("The `endpoint` of the S3 spec carries credentials.", ENDPOINT_MEND);
  }
  if (!/^https?:$/.test(url.protocol) || url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw new SpecError("The `endpoint` of the S3 spec is not scheme, host and port alone.", ENDPOINT_MEND);
  }
  return url.origin;
}
