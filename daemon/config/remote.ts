/** What the daemon needs to be reached over TCP: an address, a certificate with its key, and a token. */
import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { createSecureContext } from "node:tls";
import { PipekitError } from "@pipekit/proto";

/** The settings, as they stand in the config. */
export interface RemoteSettings {
  readonly listen?: string | undefined;
  readonly tls_cert?: string | undefined;
  readonly tls_key?: string | undefined;
  readonly token_file?: string | undefined;
}

/** How to listen on TCP. The token itself is kept nowhere. */
export interface RemoteListen {
  /** `host:port`. */
  readonly address: string;
  /** Chain of certificates, PEM. */
  readonly certificate: Buffer;
  /** Private key, PEM. */
  readonly key: Buffer;
  readonly isToken: (text: string) => boolean;
}

const SHORTEST_TOKEN = 16;
const LONGEST_TOKEN = 4096;

/**
 * Reads what the settings name. Undefined without `listen`; a `token_file` alone is no fault, since the variable
 * PKX_TOKEN_FILE is the clients' as well. Throws PipekitError INVALID_DAEMON_CONFIG that names the setting.
 */
export function readRemote(settings: RemoteSettings): RemoteListen | undefined {
  const { listen, tls_cert, tls_key, token_file } = settings;
  if (listen === undefined && tls_cert === undefined && tls_key === undefined) return undefined;
  const all = { listen, tls_cert, tls_key, token_file };
  for (const [name, value] of Object.entries(all)) if (value === undefined) throw incomplete(name);
  checkAddress(listen ?? "");
  const certificate = readSecretFile("tls_cert", tls_cert ?? "", 0);
  const key = readSecretFile("tls_key", tls_key ?? "", 0o007);
  checkPair(certificate, key);
  return { address: listen ?? "", certificate, key, isToken: tokenTest(token_file ?? "") };
}

/** Compares with the token of a file by digests: they have one length, so that the time taken tells nothing. */
function tokenTest(file: string): (text: string) => boolean {
  const digest = digestOf(readToken(file));
  return (text) => timingSafeEqual(digestOf(text), digest);
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function readToken(file: string): string {
  const token = readSecretFile("token_file", file, 0o077).toString().trim();
  if (token.length >= SHORTEST_TOKEN && token.length <= LONGEST_TOKEN && /^[\x21-\x7e]+$/.test(token)) {
    return token;
  }
  throw invalid(
    "token_file",
    `The token in ${file} is no word of ${SHORTEST_TOKEN} printable ASCII characters or more.`,
    `Make one: (umask 077; openssl rand -hex 32 > ${file})`,
  );
}

function checkAddress(address: string): void {
  const port = /^(?:\[[\da-fA-F:.]+\]|[\w.-]+):(\d{1,5})$/.exec(address)?.[1];
  if (port !== undefined && Number(port) > 0 && Number(port) < 65_536) return;
  throw invalid(
    "listen",
    `The address ${address} is not of the form host:port.`,
    "Write it like 0.0.0.0:7443 or [::1]:7443.",
  );
}

/** The bytes of a file of this user's (or root's) that is closed to others by the bits `closed` of its mode. */
function readSecretFile(name: string, file: string, closed: number): Buffer {
  if (!isAbsolute(file)) throw invalid(name, `The path ${file} is not absolute.`, "Give an absolute path.");
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
    throw invalid(name, `The file ${file} cannot be read (${code}).`, "Mend the path or the mode.", cause);
  }
  const { uid, mode } = statSync(file);
  const own = process.getuid?.() ?? 0;
  if (closed === 0) return bytes;
  if (uid !== own && uid !== 0) {
    throw invalid(
      name,
      `The file ${file} belongs to user ${uid} and not to you (user ${own}).`,
      "Make it yours.",
    );
  }
  if ((mode & closed) !== 0) {
    throw invalid(name, `The file ${file} is open to other users.`, `Close it: chmod 600 ${file}`);
  }
  return bytes;
}

function checkPair(cert: Buffer, key: Buffer): void {
  try {
    createSecureContext({ cert });
  } catch (cause) {
    throw invalid("tls_cert", "The certificate is not PEM.", "Name the file with the chain, PEM.", cause);
  }
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    throw invalid("tls_key", "The key is not PEM, or not that of the certificate.", "Name its key.", cause);
  }
}

function incomplete(name: string): PipekitError {
  return invalid(
    name,
    `The daemon is to be reached over TCP, and ${name} is not set.`,
    "Set listen, tls_cert, tls_key and token_file, all four, or none: see docs/remote.md.",
  );
}

function invalid(field: string, message: string, mend: string, cause?: unknown): PipekitError {
  return new PipekitError("INVALID_DAEMON_CONFIG", message, { field, mend, cause });
}
