import {
  Server,
  ServerCredentials,
  type ServerInterceptor,
  type ServerOptions,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { MAX_MESSAGE_BYTES, PipekitError } from "@pipekit/proto";
import { hostBoundInterceptor } from "./host-bound.ts";
import { OpenCalls } from "./open-calls.ts";
import { Health, reflectionServices } from "./standard.ts";
import { tokenInterceptor } from "./token.ts";

/** A service and what answers it. */
export interface ServedService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** A face for other hosts. */
export interface Remote {
  /** `host:port`. */
  readonly address: string;
  /** Chain of certificates, PEM. */
  readonly certificate: Buffer;
  /** Private key, PEM. */
  readonly key: Buffer;
  readonly isToken: (text: string) => boolean;
  /** The same as on the socket, but for what tells callers of the host's folders. */
  readonly services: readonly ServedService[];
}

/** Over TCP nobody tells that a peer is gone. A trainer that was stopped for so long connects anew. */
const KEEPALIVE: ServerOptions = {
  "grpc.keepalive_time_ms": 120_000,
  "grpc.keepalive_timeout_ms": 60_000,
};

/**
 * The gRPC server on its unix socket, with health and reflection; and on TCP where the config says so.
 *
 * Architecture Invariant: the daemon listens on a unix socket in a private folder, and on TCP only with TLS and a token.
 */
export class RpcServer {
  readonly health = new Health();
  readonly calls = new OpenCalls();
  readonly #lazy = [this.health.service, ...reflectionServices()];
  readonly #server: Server;
  readonly #remote: { readonly server: Server; readonly at: Remote } | undefined;

  constructor(services: readonly ServedService[], remote?: Remote) {
    // No keepalive pings: the kernel tells when the peer of a unix socket is gone, and a ping would cut off a
    // trainer that is only busy or stopped.
    this.#server = this.#serving(services, []);
    if (remote === undefined) return;
    const guards = [tokenInterceptor(remote.isToken), hostBoundInterceptor];
    this.#remote = { at: remote, server: this.#serving(remote.services, guards, KEEPALIVE) };
  }

  #serving(
    services: readonly ServedService[],
    guards: readonly ServerInterceptor[],
    options: ServerOptions = {},
  ): Server {
    const lazy = this.#lazy.map((service) => service.interceptor);
    const server = new Server({
      ...options,
      "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
      "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
      interceptors: [...guards, ...lazy, this.calls.interceptor],
    });
    for (const { definition, implementation } of [...services, ...this.#lazy]) {
      server.addService(definition, implementation);
    }
    return server;
  }

  /** Binds the socket, and the address for other hosts; calls are answered when this resolves. Throws DAEMON_UNAVAILABLE. */
  async listen(socketPath: string): Promise<void> {
    if (this.#remote !== undefined) await listenRemote(this.#remote.server, this.#remote.at);
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
    await Promise.all([this.#server, this.#remote?.server].map((server) => server && shut(server, graceMs)));
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

function listenRemote(server: Server, { address, certificate, key }: Remote): Promise<void> {
  const pair = { cert_chain: certificate, private_key: key };
  return bind(server, address, ServerCredentials.createSsl(null, [pair]), (cause) => ({
    message: `The address ${address} cannot be bound: ${cause.message}`,
    field: "listen",
    mend: "Choose an address of this host and a port that nobody has.",
  }));
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
