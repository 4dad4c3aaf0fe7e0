/**
 * Specs of S3 registries: `s3://BUCKET/PREFIX/?endpoint=…&region=…`. Keys of the query, all optional: `region`, `endpoint`
 * (http or https address of another server than AWS), `path_style`, `profile` (of ~/.aws), `sse` and `kms_key`,
 * `storage_class`, `checksum` (crc32; sha256, which is slow; or md5 for servers that know neither), `poll_ms` (how often a
 * watched tag is looked at), `unsafe_without_conditional_writes`. A spec holds no secret: it is logged and shown.
 */
import { readQuery } from "../spec-query.ts";
import { SpecError } from "../tracker.ts";
import { readBucket, readEndpoint, readPrefix } from "./spec-place.ts";

/** How the bytes of a request are checked by the server. */
export type ChecksumKind = "crc32" | "sha256" | "md5";

/** A spec, understood. */
export interface S3Spec {
  readonly bucket: string;
  /** Ends in a slash, and does not start with one. */
  readonly prefix: string;
  readonly region?: string;
  /** `http://host:port`, without a slash at its end. */
  readonly endpoint?: string;
  readonly pathStyle: boolean;
  readonly profile?: string;
  readonly sse?: "AES256" | "aws:kms" | "aws:kms:dsse";
  readonly kmsKey?: string;
  readonly storageClass?: string;
  readonly checksum: ChecksumKind;
  readonly pollMs: number;
  readonly unsafe: boolean;
}

const EXAMPLE = "Write it like `s3://my-bucket/models/?region=eu-central-1`.";
const KNOWN = [
  ...[
    "checksum",
    "endpoint",
    "kms_key",
    "path_style",
    "poll_ms",
    "profile",
    "region",
    "sse",
    "storage_class",
  ],
  "unsafe_without_conditional_writes",
] as const;
type Key = (typeof KNOWN)[number];
const KNOWN_MEND = `Known keys are ${KNOWN.join(", ")}.`;
const SECRET_MEND =
  "Give credentials by the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), by `?profile=NAME` of ~/.aws, or by a role.";
const POLL_MS = 1000;

/** Reads a spec. Throws SpecError, which never repeats what might be a secret. */
export function parseSpec(spec: string): S3Spec {
  const parts = /^s3:\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?$/i.exec(spec.trim());
  if (parts === null) throw new SpecError("The S3 spec is not of the form s3://BUCKET/PREFIX/.", EXAMPLE);
  const [, bucket = "", path = "", query = ""] = parts;
  if (bucket.includes("@"))
    throw new SpecError("The S3 spec carries credentials in its address.", SECRET_MEND);
  const params = new URLSearchParams(query);
  for (const key of params.keys()) {
    if (/secret|access|token|password|credential/i.test(key)) {
      throw new SpecError("The S3 spec carries a key that looks like a credential.", SECRET_MEND);
    }
  }
  const values = readQuery("S3", params, KNOWN, KNOWN_MEND) as ReadonlyMap<Key, string>;
  const endpoint = readEndpoint(values.get("endpoint"));
  const sse = choice(values, "sse", ["AES256", "aws:kms", "aws:kms:dsse"]);
  const kmsKey = text(values, "kms_key", /^[A-Za-z0-9:/_-]{1,2048}$/, "the ARN, id or alias of a KMS key");
  if (kmsKey !== undefined && (sse === undefined || sse === "AES256")) {
    throw new SpecError("The S3 spec names a `kms_key` without `sse=aws:kms`.", "Add `sse=aws:kms`.");
  }
  return {
    bucket: readBucket(bucket),
    prefix: readPrefix(path),
    ...given(
      "region",
      text(values, "region", /^[a-z0-9-]{1,64}$/, "the name of a region, such as eu-central-1"),
    ),
    ...given("endpoint", endpoint),
    pathStyle: flag(values, "path_style") ?? endpoint !== undefined,
    ...given(
      "profile",
      text(values, "profile", /^[\w.@+-]{1,128}$/, "the name of a profile in ~/.aws/config"),
    ),
    ...given("sse", sse),
    ...given("kmsKey", kmsKey),
    ...given("storageClass", storageClass(values)),
    checksum: choice(values, "checksum", ["crc32", "sha256", "md5"]) ?? "crc32",
    pollMs: pollMs(values),
    unsafe: flag(values, "unsafe_without_conditional_writes") ?? false,
  };
}

/** The one spelling of a spec: what is so by default is left out. */
export function formatSpec(spec: S3Spec): string {
  const values: Readonly<Record<Key, string | undefined>> = {
    checksum: spec.checksum === "crc32" ? undefined : spec.checksum,
    endpoint: spec.endpoint,
    kms_key: spec.kmsKey,
    path_style: spec.pathStyle === (spec.endpoint !== undefined) ? undefined : String(spec.pathStyle),
    poll_ms: spec.pollMs === POLL_MS ? undefined : String(spec.pollMs),
    profile: spec.profile?.replaceAll("+", "%2B"),
    region: spec.region,
    sse: spec.sse,
    storage_class: spec.storageClass,
    unsafe_without_conditional_writes: spec.unsafe ? "true" : undefined,
  };
  const query = Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value}`],
  );
  return `s3://${spec.bucket}/${spec.prefix}${query.length === 0 ? "" : `?${query.join("&")}`}`;
}

function storageClass(values: ReadonlyMap<Key, string>): string | undefined {
  const name = text(values, "storage_class", /^[A-Z][A-Z_]{1,63}$/, "a storage class, such as STANDARD_IA");
  if (name === "GLACIER" || name === "DEEP_ARCHIVE") {
    throw new SpecError(
      `Objects of the storage class ${name} cannot be read at once.`,
      "Choose STANDARD, STANDARD_IA, INTELLIGENT_TIERING or GLACIER_IR as `storage_class`.",
    );
  }
  return name;
}

function pollMs(values: ReadonlyMap<Key, string>): number {
  const given = values.get("poll_ms");
  if (given === undefined) return POLL_MS;
  const value = Number(given);
  if (/^\d+$/.test(given) && value >= 50 && value <= 3_600_000) return value;
  throw new SpecError(
    "The `poll_ms` of the S3 spec is not 50 to 3600000.",
    "Give milliseconds, such as `poll_ms=1000`.",
  );
}

function flag(values: ReadonlyMap<Key, string>, key: Key): boolean | undefined {
  const value = choice(values, key, ["true", "false"]);
  return value === undefined ? undefined : value === "true";
}

function choice<T extends string>(
  values: ReadonlyMap<Key, string>,
  key: Key,
  choices: readonly T[],
): T | undefined {
  const value = values.get(key);
  const found = choices.find((candidate) => candidate === value);
  if (value === undefined || found !== undefined) return found;
  throw new SpecError(
    `The \`${key}\` of the S3 spec is not one of ${choices.join(", ")}.`,
    "Choose one of them.",
  );
}

function text(values: ReadonlyMap<Key, string>, key: Key, form: RegExp, what: string): string | undefined {
  const value = values.get(key);
  if (value === undefined || form.test(value)) return value;
  throw new SpecError(`The \`${key}\` of the S3 spec is not ${what}.`, `Mend or leave out \`${key}\`.`);
}

/** A field that is there only with a value. */
function given<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V });
}
