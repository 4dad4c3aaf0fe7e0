/** Where the daemon is reached: a unix socket of this host, or an address with TLS and a token. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import { type ChannelCredentials, type ChannelOptions, credentials, Metadata } from "@grpc/grpc-js";
import { PipekitError } from "@pipekit/proto";
import type { Env } from "./folders.ts";
import { accepts } from "./launch.ts";
import { type OwnCertificate, provesItself } from "./tls-probe.ts";

export interface Endpoint {
  /** For a person. */
  readonly name: string;
  /** For gRPC. */
  readonly target: string;
  /** Whether the daemon is taken to be on another host, where the files of this one mean nothing. */
  readonly remote: boolean;
  /** Whether something listens. Throws UNAUTHENTICATED when it is not who it should be, DAEMON_UNAVAILABLE when it speaks no TLS. */
  answers(): Promise<boolean>;
  credentials(): ChannelCredentials;
  /** What the channel needs besides. */
  readonly options: ChannelOptions;
}

/** What proves each to the other over TCP. */
export interface Proofs {
  /** A file with the token. Default: `$PKX_TOKEN_FILE`; before it goes `$PKX_TOKEN`, the token itself. */
  readonly tokenFile?: string | undefined;
  /** Certificates that are trusted, PEM. Default: `$PKX_CA_FILE`, else those of the system. */
  readonly caFile?: string | undefined;
  /** The client's own certificate with its chain, PEM, and its key. Default: `$PKX_CLIENT_CERT_FILE`, `$PKX_CLIENT_KEY_FILE`. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

/** A daemon's socket. */
export function socketEndpoint(path: string): Endpoint {
  return {
    name: path,
    target: `unix:${path}`,
    remote: false,
    answers: () => accepts(path),
    credentials: () => credentials.createInsecure(),
    options: {},
  };
}

/**
 * The endpoint that a text names: `unix:/path` or `https://host:port`. Reads certificates each time, and the token for each
 * call, so that they may be renewed. Throws INVALID_ARGUMENT, UNAUTHENTICATED (there is neither a token nor a certificate, or one
 * cannot be read).
 */
export function namedEndpoint(text: string, proofs: Proofs, env: Env): Endpoint {
  const path = /^unix:(?:\/\/)?(\/.+)$/.exec(text)?.[1];
  if (path !== undefined) return socketEndpoint(path);
  const address = /^https:\/\/(\[[\da-fA-F:.]+\]|[\w.-]+):(\d{1,5})\/?$/.exec(text);
  if (address === null) throw malformed();
  const [, written = "", port = ""] = address;
  const host = written.replace(/^\[|\]$/g, "");
  const certificates = caOf(proofs.caFile ?? env["PKX_CA_FILE"]);
  const own = ownOf(proofs, env);
  const token = () => tokenOf(proofs.tokenFile, env, own !== undefined);
  token();
  return {
    name: `https://${written}:${port}`,
    target: `dns:${written}:${port}`,
    remote: true,
    answers: () => provesItself({ host, port: Number(port), certificates, own }),
    credentials: () => withToken(secureFor(host, certificates, own), token),
    options: isIP(host) === 0 ? KEEPALIVE : { ...KEEPALIVE, "grpc.ssl_target_name_override": NO_NAME },
  };
}

/** Over TCP nobody tells that the daemon's host is gone. */
const KEEPALIVE = { "grpc.keepalive_time_ms": 60_000, "grpc.keepalive_timeout_ms": 20_000 };
/** In place of an address, which TLS does not send as a server's name: Node warns of it. */
const NO_NAME = "daemon.invalid";

function secureFor(
  host: string,
  certificates: Buffer | undefined,
  own: OwnCertificate | undefined,
): ChannelCredentials {
  return credentials.createSsl(certificates ?? null, own?.key ?? null, own?.certificate ?? null, {
    checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
  });
}

/** Sends the token that the file holds at the time of the call: it may be renewed while the connection stands. */
function withToken(secure: ChannelCredentials, token: () => string | undefined): ChannelCredentials {
  let last: string | undefined;
  const sending = credentials.createFromMetadataGenerator((_, done) => {
    try {
      last = token();
    } catch {
      // While it is being replaced the last one counts.
    }
    const metadata = new Metadata();
    if (last !== undefined) metadata.set("authorization", `Bearer ${last}`);
    done(null, metadata);
  });
  return credentials.combineChannelCredentials(secure, sending);
}

/** The client's certificate; undefined where none is named. Throws UNAUTHENTICATED for half of one. */
function ownOf({ certFile, keyFile }: Proofs, env: Env): OwnCertificate | undefined {
  const cert = certFile ?? env["PKX_CLIENT_CERT_FILE"];
  const key = keyFile ?? env["PKX_CLIENT_KEY_FILE"];
  if (!cert && !key) return undefined;
  if (cert && key) {
    return { certificate: read(cert, "PKX_CLIENT_CERT_FILE"), key: read(key, "PKX_CLIENT_KEY_FILE") };
  }
  const field = cert ? "PKX_CLIENT_KEY_FILE" : "PKX_CLIENT_CERT_FILE";
  throw new PipekitError(
    "UNAUTHENTICATED",
    "A client's certificate needs its key, and the other way round.",
    {
      field,
      mend: `Set ${field}, too.`,
    },
  );
}

/** The token; undefined where there is none and a certificate stands for it. */
function tokenOf(file: string | undefined, env: Env, orCertificate: boolean): string | undefined {
  const given = file === undefined ? env["PKX_TOKEN"] : undefined;
  const path = file ?? env["PKX_TOKEN_FILE"];
  const token = (given || (path ? read(path, "PKX_TOKEN_FILE").toString() : "")).trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  if (token === "" && orCertificate) return undefined;
  const what =
    token === "" ? "There is no token for a daemon that is reached over TCP." : "The token is no word.";
  throw new PipekitError("UNAUTHENTICATED", what, {
    field: "PKX_TOKEN_FILE",
    mend: "Set PKX_TOKEN_FILE to a file with your token, or PKX_CLIENT_CERT_FILE and PKX_CLIENT_KEY_FILE.",
  });
}

function caOf(file: string | undefined): Buffer | undefined {
  return file ? read(file, "PKX_CA_FILE") : undefined;
}

function read(file: string, field: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
    const mend = `Set ${field} to a file that can be read.`;
    throw new PipekitError("UNAUTHENTICATED", `${file} cannot be read (${code}).`, { field, mend, cause });
  }
}

/** The text is not repeated: what was meant for another variable may be in it. */
function malformed(): PipekitError {
  const what = "The endpoint is neither of the form unix:/path nor https://host:port.";
  return new PipekitError("INVALID_ARGUMENT", what, {
    field: "endpoint",
    mend: "Give the socket's absolute path, such as unix:/run/user/1000/pipekit-experiment/ab12.sock, or https://host:7443.",
  });
}
