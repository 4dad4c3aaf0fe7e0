/** Secrets by reference: `env:NAME`, or `file:/absolute/path` of a file that is closed to other users. */
import { readFileSync, type Stats, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { encodePath } from "./spec-query.ts";

/** Where a secret is found. */
export type Reference =
  | { readonly from: "env"; readonly name: string }
  | { readonly from: "file"; readonly path: string };

/** Reads `env:NAME` or `file:/absolute/path`; undefined for anything else, which may be a secret itself. */
export function parseReference(text: string): Reference | undefined {
  const name = /^env:([A-Za-z_][A-Za-z0-9_]*)$/.exec(text)?.[1];
  if (name !== undefined) return { from: "env", name };
  const path = /^file:(\/[^\0\r\n]+)$/.exec(text)?.[1];
  return path === undefined ? undefined : { from: "file", path };
}

/** A reference as it stands in the query of a spec. */
export function formatReference(reference: Reference): string {
  if (reference.from === "env") return `env:${reference.name}`;
  return `file:${encodePath(reference.path)}`;
}

/** Why a file is not taken for a secret: it is another user's, or others may read it. */
export type Exposure = "foreign" | "open";

/**
 * Whether a file is this user's (or root's) and closed to others by the bits `closed` of its mode, as ssh asks of its keys.
 * A cluster mounts secrets as root's, readable to the group of the pod: root has chosen who is in it.
 */
export function exposureOf({ uid, mode }: Pick<Stats, "uid" | "mode">, closed = 0o077): Exposure | undefined {
  const own = process.getuid?.() ?? 0;
  if (uid !== own && uid !== 0) return "foreign";
  return (mode & (uid === own ? closed : closed & 0o007)) === 0 ? undefined : "open";
}

/** The secret; undefined when it is not there, is empty, or lies open. A newline at the end of a file does not count. */
export async function resolveReference(
  reference: Reference,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  if (reference.from === "env") return env[reference.name] || undefined;
  const file = await open(reference.path).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    if (exposureOf(await file.stat()) !== undefined) return undefined;
    return trimmed(await file.readFile("utf8"));
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

/** The bytes of a file that holds a secret, for who cannot wait; undefined as for `resolveReference`. */
export function secretBytes(path: string): Buffer | undefined {
  try {
    return exposureOf(statSync(path)) === undefined ? readFileSync(path) : undefined;
  } catch {
    return undefined;
  }
}

/** The same as `resolveReference`, for who cannot wait. */
export function resolveReferenceNow(
  reference: Reference,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if (reference.from === "env") return env[reference.name] || undefined;
  return trimmed(secretBytes(reference.path)?.toString() ?? "");
}

/** One sentence for a reference of a spec that gives nothing. */
export function missingReference(reference: Reference): string {
  if (reference.from === "env")
    return `The environment variable ${reference.name}, which the spec names, is not set for the daemon.`;
  return `The file ${reference.path}, which the spec names, ${faultAt(reference.path)}.`;
}

function faultAt(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  const exposure = stat && exposureOf(stat);
  if (exposure === "open") return "is open to other users: close it with chmod 600";
  return exposure === "foreign" ? "belongs to another user" : "cannot be read or is empty";
}

function trimmed(text: string): string | undefined {
  return text.replace(/\r?\n$/, "") || undefined;
}
