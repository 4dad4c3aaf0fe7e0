import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { PipekitError } from "@pipekit/proto";

/** What a client shows of itself, PEM. */
export interface OwnCertificate {
  readonly certificate: Buffer;
  readonly key: Buffer;
}

/** Who should answer. */
export interface Expected {
  readonly host: string;
  readonly port: number;
  /** Certificates that are trusted, PEM; those of the system when absent. */
  readonly certificates: Buffer | undefined;
  readonly own: OwnCertificate | undefined;
}

const PATIENCE_MS = 5_000;

/**
 * Whether something listens at an address and proves to be who it should be; gRPC tells no reason when it does not.
 * Throws UNAUTHENTICATED (the certificate is not trusted, has expired, is of another host), DAEMON_UNAVAILABLE (no TLS).
 */
export async function provesItself(expected: Expected): Promise<boolean> {
  const { host, port, certificates, own } = expected;
  const socket = connect({
    host,
    port,
    ALPNProtocols: ["h2"],
    // Nothing is sent; why it is not trusted is asked for below.
    rejectUnauthorized: false,
    ...(certificates !== undefined && { ca: certificates }),
    ...(own !== undefined && { cert: own.certificate, key: own.key }),
    ...(isIP(host) === 0 && { servername: host }),
  });
  try {
    if (!(await secured(socket, expected))) return false;
    if (!socket.authorized) throw untrusted(expected, socket.authorizationError);
    if (!(await isTaken(socket))) throw notTaken(expected);
    return true;
  } finally {
    socket.destroy();
  }
}

/** Resolves to false when nobody listens. */
function secured(socket: TLSSocket, expected: Expected): Promise<boolean> {
  return new Promise((done, fail) => {
    let connected = false;
    socket.once("connect", () => {
      connected = true;
    });
    socket.once("secureConnect", () => done(true));
    socket.setTimeout(PATIENCE_MS, () => (connected ? fail(noTls(expected)) : done(false)));
    socket.once("close", () => done(false));
    socket.on("error", (error) => {
      if ("code" in error && /^(?:EPROTO$|ERR_SSL_)/.test(String(error.code))) fail(noTls(expected, error));
      else done(false);
    });
  });
}

/** HTTP/2 begins with a word of the server's. One that wants another certificate, or any, closes the connection instead. */
function isTaken(socket: TLSSocket): Promise<boolean> {
  return new Promise((done) => {
    socket.once("data", () => done(true));
    socket.once("close", () => done(false));
    // Whoever is silent decides nothing: the first call tells.
    socket.setTimeout(PATIENCE_MS, () => done(true));
  });
}

function notTaken({ host, port, own }: Expected): PipekitError {
  const what =
    own === undefined
      ? `The daemon at ${host}:${port} wants a certificate of its clients.`
      : `The daemon at ${host}:${port} does not take the certificate of this client.`;
  return new PipekitError("UNAUTHENTICATED", what, {
    field: "PKX_CLIENT_CERT_FILE",
    mend: "Set PKX_CLIENT_CERT_FILE and PKX_CLIENT_KEY_FILE to a certificate that the daemon's client CA has signed and that has not expired.",
  });
}

function untrusted({ host, port }: Expected, reason: unknown): PipekitError {
  const why = reason instanceof Error && "code" in reason ? String(reason.code) : String(reason);
  const what = `What listens at ${host}:${port} does not prove to be the daemon: ${why}.`;
  return new PipekitError("UNAUTHENTICATED", what, {
    field: "PKX_CA_FILE",
    mend: "Set PKX_CA_FILE to the certificate that signed the daemon's, and name the host that stands in the daemon's.",
  });
}

function noTls({ host, port }: Expected, cause?: unknown): PipekitError {
  const what = `What listens at ${host}:${port} does not speak TLS.`;
  return new PipekitError("DAEMON_UNAVAILABLE", what, {
    field: "endpoint",
    mend: "Name the address of the daemon's setting `listen`.",
    cause,
  });
}
