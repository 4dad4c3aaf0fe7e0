import { constants } from "node:crypto";
import type { SecureContextOptions } from "node:tls";
import {
  Server,
  ServerCredentials,
  type ServerInterceptor,
  type ServerOptions,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { MAX_MESSAGE_BYTES, PipekitError } from "@pipekit/proto";
import type { Logger } from "pino";
import type { Access, Permission, TlsFiles } from "../access/index.ts";
import type { AuditLog, Refusals } from "../audit/index.ts";
import { quotaFrom } from "../limits/index.ts";
import { AccessGuard, socketInterceptor } from "./access.ts";
import { auditInterceptor, refusalInterceptor } from "./audit.ts";
import { Front } from "./front.ts";
import { hostBoundInterceptor } from "./host-bound.ts";
import { Quotas } from "./limits.ts";
import { OpenCalls } from "./open-calls.ts";
import { Health, reflectionServices } from "./standard.ts";
import { TlsCredentials } from "./tls-credentials.ts";
import { decodingLate, undecodableInterceptor } from "./undecodable.ts";

/** A service and what answers it. */
export interface ServedService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** A face for other hosts. */
export interface Remote {
  /** `host:port`. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  readonly access: Access;
  readonly permission: Permission;
  /** Whether the handshake fails without a certificate that the client CA has signed. */
  readonly needsCertificate: boolean;
  /** The same as on the socket, but for what tells callers of the host's folders. */
  readonly services: readonly ServedService[];
}

/** Where it is written what callers ask for and what is refused. */
export interface Watched {
  readonly audit: AuditLog;
  readonly refusals: Refusals;
  readonly log: Logger;
  /** Hears of each call first. */
  readonly observer?: ServerInterceptor | undefined;
}

/** How long calls may go on of connections that are closed, milliseconds. */
const GRACE_MS = 1000;

/** Over TCP nobody tells that a peer is gone. A trainer that was stopped for so long connects anew. */
const KEEPALIVE: ServerOptions = {
  "grpc.keepalive_time_ms": 120_000,
  "grpc.keepalive_timeout_ms": 60_000,
};

/**
 * The gRPC server on its unix socket, with health and reflection; and on TCP where the config says so.
 *
 * Architecture Invariant: the daemon listens on a unix socket in a private folder, and on TCP only with TLS and
 * for principals that prove who they are.
 */
export class RpcServer {
  readonly health = new Health();
  readonly calls = new OpenCalls();
  readonly #lazy = [this.health.service, ...reflectionServices()];
  readonly #server: Server;
  readonly #remote: { readonly server: Server; readonly at: Remote; readonly front: Front } | undefined;

  readonly #watched: Watched;

  constructor(services: readonly ServedService[], watched: Watched, remote?: Remote) {
    this.#watched = watched;
    // No keepalive pings: the kernel tells when the peer of a unix socket is gone, and a ping would cut off a
    // trainer that is only busy or stopped.
    this.#server = this.#serving(services, [socketInterceptor()]);
    if (remote === undefined) return;
    const { access, permission } = remote;
    const quotaOf = (principal: string) => quotaFrom(access.get(principal)?.quota);
    const front = new Front(watched.refusals, quotaOf);
    const quotas = new Quotas(quotaOf);
    const guards = [
      new AccessGuard(access, permission, watched.log).interceptor,
      front.interceptor,
      quotas.interceptor,
      hostBoundInterceptor,
    ];
    this.#remote = { at: remote, front, server: this.#serving(remote.services, guards, KEEPALIVE, front) };
  }

  #serving(
    services: readonly ServedService[],
    guards: readonly ServerInterceptor[],
    options: ServerOptions = {},
    front?: Front,
  ): Server {
    const lazy = this.#lazy.map((service) => service.interceptor);
    const { audit, refusals, log, observer } = this.#watched;
    const server = new Server({
      ...options,
      "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
      "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
      // What is refused is counted, and written only once a minute; what passes and changes something is written each time.
      interceptors: [
        ...(observer === undefined ? [] : [observer]),
        refusalInterceptor(refusals, front),
        undecodableInterceptor,
        ...guards,
        auditInterceptor(audit, log),
        ...lazy,
        this.calls.interceptor,
      ],
    });
    for (const { definition, implementation } of [...services, ...this.#lazy]) {
      server.addService(decodingLate(definition), implementation);
    }
    return server;
  }

  /** Binds the socket, and the address for other hosts; calls are answered when this resolves. Throws DAEMON_UNAVAILABLE. */
  async listen(socketPath: string): Promise<void> {
    if (this.#remote !== undefined) await listenRemote(this.#remote);
    await bind(this.#server, `unix:${socketPath}`, ServerCredentials.createInsecure(), (cause) => ({
      message: `The socket ${socketPath} cannot be bound: ${cause.message}`,
      field: socketPath,
      mend: "Look at the runtime folder, or set PKX_RUNTIME_DIR to another one.",
    }));
  }

  /**
   * Stops taking calls: health says NOT_SERVING, new calls are refused. Requests taken are answered, for at most
   * `graceMs`; then open streams are ended with DAEMON_UNAVAILABLE. Returns whether all was answered.
   */
  async drain(graceMs: number): Promise<boolean> {
    this.health.set("NOT_SERVING");
    this.calls.close();
    const settled = await this.calls.settle(graceMs);
    this.calls.endAll();
    return settled;
  }

  /** Closes the connections after `graceMs` at most. Removes the socket file: only call it while that is ours. */
  async close(graceMs: number): Promise<void> {
    const remote = this.#remote;
    const afar = remote?.front.close(graceMs).then(() => remote.server.forceShutdown());
    await Promise.all([shut(this.#server, graceMs), afar]);
  }
}

async function shut(server: Server, graceMs: number): Promise<void> {
  await new Promise<void>((done) => {
    const timer = setTimeout(done, graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      done();
    });
  });
  server.forceShutdown();
}

async function listenRemote({
  front,
  server,
  at,
}: {
  front: Front;
  server: Server;
  at: Remote;
}): Promise<void> {
  const { address, access, needsCertificate } = at;
  const clients = { requestCert: access.tls.clientCa !== undefined, rejectUnauthorized: needsCertificate };
  const credentials = new TlsCredentials(contextOf(access.tls), clients);
  access.onChange((change) => {
    if (change === "certificate") credentials.renew(contextOf(access.tls));
    // Whom the CA of before has vouched for must be vouched for anew.
    if (change === "client CA") front.drain(GRACE_MS);
  });
  try {
    await front.listen(server, credentials, at);
  } catch (cause) {
    throw new PipekitError(
      "DAEMON_UNAVAILABLE",
      `The address ${address} cannot be bound: ${messageOf(cause)}`,
      {
        field: "listen",
        mend: "Choose an address of this host and a port that nobody has.",
        cause,
      },
    );
  }
}

/** Without tickets: who resumes a session shows no certificate to a CA that has changed meanwhile. */
function contextOf({ certificate, key, clientCa }: TlsFiles): SecureContextOptions {
  const own = { cert: certificate, key };
  return clientCa === undefined ? own : { ...own, ca: clientCa, secureOptions: constants.SSL_OP_NO_TICKET };
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function bind(
  server: Server,
  address: string,
  credentials: ServerCredentials,
  explain: (cause: Error) => { readonly message: string; readonly field: string; readonly mend: string },
): Promise<void> {
  return new Promise((done, fail) => {
    server.bindAsync(address, credentials, (cause) => {
      if (cause === null) return done();
      const { message, field, mend } = explain(cause);
      fail(new PipekitError("DAEMON_UNAVAILABLE", message, { field, mend, cause }));
    });
  });
}
