/**
 * A remote's settings for S3 (dvc_s3/__init__.py, `_prepare_credentials`). What would change where data goes or who may read
 * it, and is not known here, is refused: leaving it out in silence would be worse.
 */
import { readFile } from "node:fs/promises";
import type { S3Place } from "../../s3/objects.ts";
import type { RemoteConfig } from "../config.ts";
import { parseIni } from "../ini.ts";
import { settingFault } from "./faults.ts";
import type { BucketSettings } from "./s3.ts";

/** Settings that are refused, and the values with which they say nothing. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  acl: [],
  allow_anonymous_login: ["false"],
  configpath: [],
  grant_full_control: [],
  grant_read: [],
  grant_read_acp: [],
  grant_write_acp: [],
  sse_customer_algorithm: [],
  sse_customer_key: [],
  ssl_verify: ["true"],
  use_ssl: ["true"],
};
const SSE = ["AES256", "aws:kms", "aws:kms:dsse"] as const;

/** Throws DatasetFault `invalid` that names remote and setting, and never a value that may be secret. */
export async function bucketSettings(
  remote: RemoteConfig,
  env: NodeJS.ProcessEnv,
  jobs: number,
): Promise<BucketSettings> {
  const { name, settings } = remote;
  for (const [key, harmless] of Object.entries(REFUSED)) {
    const value = settings.get(key);
    if (value === undefined || harmless.includes(value.toLowerCase())) continue;
    throw settingFault(
      name,
      key,
      "is not supported",
      `Leave it out, or use \`dvc\` itself with this remote.`,
    );
  }
  const { bucket, prefix } = bucketOf(remote);
  const keys = await credentials(remote, env);
  const endpoint = endpointOf(remote, env);
  // Keys that are given go before a profile.
  const profile = keys === undefined ? settings.get("profile") : undefined;
  const place: S3Place = {
    bucket,
    prefix,
    ...(settings.has("region") && { region: settings.get("region") ?? "" }),
    ...(endpoint !== undefined && { endpoint }),
    ...(profile !== undefined && { profile }),
    ...sseOf(remote),
  };
  return { name, place: `s3://${bucket}/${prefix}`, bucket: place, env: { ...env, ...keys }, jobs };
}

function bucketOf({ name, url }: RemoteConfig): { readonly bucket: string; readonly prefix: string } {
  const [, bucket = "", path = ""] = /^s3:\/\/([^/?#]*)\/*([^?#]*)$/i.exec(url) ?? [];
  const mend = "Write it like s3://bucket/prefix.";
  if (bucket.includes("@")) throw settingFault(name, "url", "carries credentials", mend);
  if (!/^[A-Za-z0-9][\w.-]{1,254}$/.test(bucket)) throw settingFault(name, "url", "names no bucket", mend);
  const segments = path.split("/").filter((segment) => segment !== "");
  if (segments.some((segment) => segment === "." || segment === "..")) {
    throw settingFault(name, "url", "has `.` or `..` in its path", mend);
  }
  return { bucket, prefix: segments.map((segment) => `${segment}/`).join("") };
}

function endpointOf({ name, settings }: RemoteConfig, env: NodeJS.ProcessEnv): string | undefined {
  const text = settings.get("endpointurl") ?? (env["AWS_ENDPOINT_URL_S3"] || env["AWS_ENDPOINT_URL"]);
  if (text === undefined || text === "") return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const mend = "Write it like https://s3.example.org:9000.";
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw settingFault(name, "endpointurl", "is no http or https address", mend);
  }
  if (url.username !== "" || url.password !== "") {
    throw settingFault(name, "endpointurl", "carries credentials", mend);
  }
  return text.replace(/\/+$/, "");
}

function sseOf({ name, settings }: RemoteConfig): Pick<S3Place, "sse" | "kmsKey"> {
  const text = settings.get("sse");
  const kmsKey = settings.get("sse_kms_key_id");
  const sse = SSE.find((known) => known === text) ?? (kmsKey === undefined ? undefined : "aws:kms");
  if (text !== undefined && text !== "" && sse !== text) {
    throw settingFault(name, "sse", `is not one of ${SSE.join(", ")}`, "Mend it, or leave it out.");
  }
  return { ...(sse !== undefined && { sse }), ...(kmsKey !== undefined && { kmsKey }) };
}

/** Variables of the keys that the settings hold or point to; undefined when they leave that to the SDK's chain. */
async function credentials(
  { name, settings }: RemoteConfig,
  env: NodeJS.ProcessEnv,
): Promise<NodeJS.ProcessEnv | undefined> {
  const [id, secret] = [settings.get("access_key_id"), settings.get("secret_access_key")];
  if (id !== undefined && secret !== undefined) return keysOf(id, secret, settings.get("session_token"));
  if (id !== undefined || secret !== undefined) {
    const key = id === undefined ? "access_key_id" : "secret_access_key";
    throw settingFault(
      name,
      key,
      "is missing, and its other half is given",
      `Set it: \`dvc remote modify --local ${name} ${key} ...\`.`,
    );
  }
  const path = settings.get("credentialpath");
  if (path === undefined) return undefined;
  const profile = settings.get("profile") ?? env["AWS_PROFILE"] ?? "default";
  const text = await readFile(path, "utf8").catch(() => {
    throw settingFault(
      name,
      "credentialpath",
      `names ${path}, which cannot be read`,
      "Mend the path, or the file's rights.",
    );
  });
  const section = parseIni(text, path).get(profile.toLowerCase());
  const [fileId, fileSecret] = [section?.get("aws_access_key_id"), section?.get("aws_secret_access_key")];
  if (fileId !== undefined && fileSecret !== undefined) {
    return keysOf(fileId, fileSecret, section?.get("aws_session_token"));
  }
  throw settingFault(
    name,
    "credentialpath",
    `names ${path}, which has no keys of the profile ${profile}`,
    "Add them there, or name another profile.",
  );
}

function keysOf(id: string, secret: string, token: string | undefined): NodeJS.ProcessEnv {
  return {
    AWS_ACCESS_KEY_ID: id,
    AWS_SECRET_ACCESS_KEY: secret,
    AWS_SESSION_TOKEN: token,
    // A profile would go before them.
    AWS_PROFILE: undefined,
  };
}
