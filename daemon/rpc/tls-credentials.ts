/** TLS of the face for other hosts, with bounds on what a connection may ask of HTTP/2. */
import type { SecureServerOptions } from "node:http2";
import type { SecureContextOptions } from "node:tls";
import { ServerCredentials } from "@grpc/grpc-js";
import { MAX_STREAMS } from "../limits/index.ts";

/**
 * Bounds of a connection (nodejs.org, http2.createSecureServer). Windows stay at HTTP/2's 64 KiB a stream: a peer that no
 * guard has let pass can have no more than that waiting, since nothing is read for it.
 */
const HTTP2_LIMITS: SecureServerOptions = {
  settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: 32 * 1024, enablePush: false },
  maxHeaderListPairs: 64,
  maxSettings: 16,
  // Of streams that the peer opens and takes back (CVE-2023-44487), then so many a second.
  streamResetBurst: 256,
  streamResetRate: 64,
  maxSessionInvalidFrames: 16,
  maxSessionRejectedStreams: 32,
  handshakeTimeout: 10_000,
  // Who speaks no HTTP/2.
  unknownProtocolTimeout: 1000,
};

/** Whether clients are asked for a certificate (tls.createServer's options of the same names). */
export interface ClientCertificates {
  readonly requestCert?: boolean;
  readonly rejectUnauthorized?: boolean;
}

/** Certificate and key of the daemon, which can be replaced while it listens. */
export class TlsCredentials extends ServerCredentials {
  constructor(context: SecureContextOptions, clients: ClientCertificates = {}) {
    super({ ...HTTP2_LIMITS, ...clients }, context);
  }

  /** Connections from now on see this certificate. */
  renew(context: SecureContextOptions): void {
    this.updateSecureContextOptions(context);
  }

  _equals(other: ServerCredentials): boolean {
    return other === this;
  }
}
