/** Certificates of the daemon and of who signs those of clients. */
import { createSecureContext } from "node:tls";
import { invalid, readSecretFile } from "./secret-file.ts";

/** Paths, absolute. */
export interface TlsPaths {
  readonly certificate: string;
  readonly key: string;
  /** Who signs the certificates of clients; none are asked for when absent. */
  readonly clientCa: string | undefined;
}

/** PEM. */
export interface TlsFiles {
  readonly certificate: Buffer;
  readonly key: Buffer;
  readonly clientCa: Buffer | undefined;
}

/** Reads and checks them. Throws INVALID_DAEMON_CONFIG that names the setting. */
export function readTls(paths: TlsPaths, seen: (file: string) => void): TlsFiles {
  seen(paths.certificate);
  seen(paths.key);
  if (paths.clientCa !== undefined) seen(paths.clientCa);
  const certificate = readSecretFile("tls_cert", paths.certificate, 0);
  const key = readSecretFile("tls_key", paths.key, 0o007);
  const clientCa =
    paths.clientCa === undefined ? undefined : readSecretFile("tls_client_ca", paths.clientCa, 0);
  checkPair(certificate, key);
  if (clientCa !== undefined) checkCa(clientCa);
  return { certificate, key, clientCa };
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

function checkCa(ca: Buffer): void {
  // A text without any certificate is no fault to OpenSSL: it would be a CA that signs nothing.
  if (ca.includes("-----BEGIN CERTIFICATE-----")) {
    try {
      createSecureContext({ ca });
      return;
    } catch {
      // Told below.
    }
  }
  throw invalid("tls_client_ca", "The client CA is not PEM.", "Name the file with its certificate, PEM.");
}
