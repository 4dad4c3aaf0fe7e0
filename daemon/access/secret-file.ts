/** Files that hold secrets, and tokens in them. */
import { readFileSync, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { exposureOf } from "@pipekit/adapters/secret";
import { PipekitError } from "@pipekit/proto";

const SHORTEST_TOKEN = 16;
const LONGEST_TOKEN = 4096;

/**
 * The bytes of a file of this user's (or root's) that is closed to others by the bits `closed` of its mode; 0 for one that
 * may be open. Throws INVALID_DAEMON_CONFIG with `field`.
 */
export function readSecretFile(field: string, file: string, closed: number): Buffer {
  if (!isAbsolute(file)) throw invalid(field, `The path ${file} is not absolute.`, "Give an absolute path.");
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
    throw invalid(field, `The file ${file} cannot be read (${code}).`, "Mend the path or the mode.", cause);
  }
  if (closed === 0) return bytes;
  const stat = statSync(file);
  const exposure = exposureOf(stat, closed);
  if (exposure === "foreign") {
    const what = `The file ${file} belongs to user ${stat.uid} and not to you (user ${process.getuid?.() ?? 0}).`;
    throw invalid(field, what, "Make it yours.");
  }
  if (exposure === "open") {
    throw invalid(field, `The file ${file} is open to other users.`, `Close it: chmod 600 ${file}`);
  }
  return bytes;
}

/** The token in a file. Throws INVALID_DAEMON_CONFIG with `field`. */
export function readTokenFile(field: string, file: string): string {
  return checkToken(field, `in ${file}`, readSecretFile(field, file, 0o077).toString(), file);
}

/** A token without the white space around it; `where` says for a person where it stands. Throws INVALID_DAEMON_CONFIG. */
export function checkToken(field: string, where: string, text: string, file = "FILE"): string {
  const token = text.trim();
  if (token.length >= SHORTEST_TOKEN && token.length <= LONGEST_TOKEN && /^[\x21-\x7e]+$/.test(token)) {
    return token;
  }
  throw invalid(
    field,
    `The token ${where} is no word of ${SHORTEST_TOKEN} printable ASCII characters or more.`,
    `Make one: (umask 077; openssl rand -hex 32 > ${file})`,
  );
}

/** What cannot be served with. */
export function invalid(field: string, message: string, mend: string, cause?: unknown): PipekitError {
  return new PipekitError("INVALID_DAEMON_CONFIG", message, { field, mend, cause });
}
