import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { MAX_MESSAGE_BYTES, PipekitError } from "@pipekit/proto";
import { OpenCalls } from "./open-calls.ts";
import { Health, reflectionServices } from "./standard.ts";

/** A service and what answers it. */
export interface ServedService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/**
 * The gRPC server on its unix socket, with health and reflection.
 *
 * Architecture Invariant: the daemon listens on a unix socket in a private folder and nowhere else.
 */
export class RpcServer {
  readonly health = new Health();
  readonly calls = new OpenCalls();
  readonly #server: Server;

  constructor(services: readonly ServedService[]) {
    const lazy = [this.health.service, ...reflectionServices()];
    this.#server = new Server({
      "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
      "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
      // No keepalive pings: the kernel tells when the peer of a unix socket is gone, and a ping would cut off a
      // trainer that is only busy or stopped.
      interceptors: [...lazy.map((service) => service.interceptor), this.calls.interceptor],
    });
    for (const { definition, implementation } of [...services, ...lazy]) {
      this.#server.addService(definition, implementation);
    }
  }

  /** Binds the socket; calls are answered when this resolves. Throws PipekitError DAEMON_UNAVAILABLE. */
  listen(socketPath: string): Promise<void> {
    return new Promise((done, fail) => {
      this.#server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) => {
        if (error === null) return done();
        fail(
          new PipekitError(
            "DAEMON_UNAVAILABLE",
            `The socket ${socketPath} cannot be bound: ${error.message}`,
            {
              field: socketPath,
              mend: "Look at the runtime folder, or set PKX_RUNTIME_DIR to another one.",
              cause: error,
            },
          ),
        );
      });
    });
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
    await new Promise<void>((done) => {
      const timer = setTimeout(done, graceMs);
      this.#server.tryShutdown(() => {
        clearTimeout(timer);
        done();
      });
    });
    this.#server.forceShutdown();
  }
}
