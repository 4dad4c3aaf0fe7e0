import { setTimeout as sleep } from "node:timers/promises";
import { Channel, credentials } from "@grpc/grpc-js";
import {
  DaemonServiceClient,
  type HelloResponse,
  MAX_MESSAGE_BYTES,
  PipekitError,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  RegistryServiceClient,
  TrackerServiceClient,
} from "@pipekit/proto";
import { type CallSettings, isUnavailable, isUnimplemented, unary, untilAborted } from "./calls.ts";
import { type Env, runtimeFolder, socketPath, stateFolder } from "./folders.ts";
import { accepts, checkRuntimeFolder, launchDaemon, type StartingDaemon } from "./launch.ts";

/** Version of this package. */
export const VERSION = "0.1.0";

const POLL_MS = 20;
/** A daemon that ended is started again after this long, in case an older one was still going away. */
const RELAUNCH_MS = 500;
const HELLO_TIMEOUT_MS = 5_000;

/** How to find the daemon. */
export interface ConnectOptions extends CallSettings {
  /** Where it listens, `unix:/path`. Default: `$PKX_ENDPOINT`, else the socket of the state folder. A daemon at a named endpoint is never started. */
  readonly endpoint?: string | undefined;
  /** Default: `$PKX_STATE_DIR`, else as in ARCHITECTURE.md. */
  readonly stateFolder?: string | undefined;
  /** Whether to start a daemon when none answers. Default true. */
  readonly start?: boolean | undefined;
  /** How long to wait for an answer, milliseconds. Default 20 000. */
  readonly timeoutMs?: number | undefined;
  /** Environment to read. Default process.env. */
  readonly env?: Env | undefined;
}

/** The daemon's services over one channel. */
export interface Services {
  readonly daemon: DaemonServiceClient;
  readonly registry: RegistryServiceClient;
  readonly tracker: TrackerServiceClient;
}

interface Live {
  readonly channel: Channel;
  readonly services: Services;
  readonly hello: HelloResponse;
}

/** The way to the daemon. Survives its restarts: `ready` finds or starts it anew. */
export class Connection {
  readonly #options: ConnectOptions;
  readonly #env: Env;
  readonly #named: string | undefined;
  #live: Live | undefined;
  #establishing: Promise<Live> | undefined;
  #generation = 0;
  #closed = false;

  private constructor(options: ConnectOptions) {
    this.#options = options;
    this.#env = options.env ?? process.env;
    this.#named =
      options.endpoint ?? (options.stateFolder === undefined ? this.#env["PKX_ENDPOINT"] : undefined);
  }

  /** Connects, starting the daemon when none answers. Throws what `connect` throws. */
  static async open(options: ConnectOptions): Promise<Connection> {
    const connection = new Connection(options);
    await connection.ready(0, options.signal);
    return connection;
  }

  get services(): Services {
    return this.#current().services;
  }

  /** What the daemon said of itself. */
  get hello(): HelloResponse {
    return this.#current().hello;
  }

  /** Counts the connections made so far; see `ready`. */
  get generation(): number {
    return this.#generation;
  }

  /** Resolves once the daemon answers on a connection newer than `after`, the generation that was seen to fail. */
  async ready(after: number, signal?: AbortSignal): Promise<void> {
    if (this.#closed) throw closedError();
    if (this.#generation > after) return;
    if (this.#establishing === undefined) {
      this.#establishing = this.#establish().finally(() => {
        this.#establishing = undefined;
      });
      // When every caller has given up waiting, nobody is left to hear of a failure.
      this.#establishing.catch(() => undefined);
    }
    await untilAborted(this.#establishing, signal);
  }

  /** Makes a call; when the daemon has gone meanwhile, reconnects and makes it once more. */
  async call<A>(make: (services: Services) => Promise<A>, signal?: AbortSignal): Promise<A> {
    const seen = this.#generation;
    try {
      return await make(this.services);
    } catch (error) {
      if (!isUnavailable(error) || this.#closed) throw error;
      await this.ready(seen, signal);
      return make(this.services);
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
    this.#live?.channel.close();
    this.#live = undefined;
  }

  #current(): Live {
    if (this.#live === undefined) throw closedError();
    return this.#live;
  }

  #socket(): string {
    if (this.#named !== undefined) return pathOf(this.#named);
    const runtime = runtimeFolder(this.#env);
    checkRuntimeFolder(runtime);
    return socketPath(runtime, this.#stateFolder());
  }

  #stateFolder(): string {
    return this.#options.stateFolder ?? stateFolder(this.#env);
  }

  /** Looks for the daemon until it answers, starting it when there is none and that is allowed. */
  async #establish(): Promise<Live> {
    const deadline = performance.now() + (this.#options.timeoutMs ?? 20_000);
    const mayStart = this.#named === undefined && this.#options.start !== false;
    const started = mayStart ? new Starter(this.#stateFolder(), this.#env) : undefined;
    try {
      for (;;) {
        const socket = this.#socket();
        let fault: unknown;
        if (await accepts(socket)) {
          try {
            return this.#adopt(await greet(socket, deadline - performance.now()));
          } catch (error) {
            if (!isUnavailable(error)) throw error;
            fault = error;
          }
        } else {
          started?.attempt();
        }
        if (performance.now() > deadline || !mayStart) throw fault ?? unavailable(socket);
        if (this.#closed) throw closedError();
        await sleep(POLL_MS);
      }
    } finally {
      started?.release();
    }
  }

  #adopt(live: Live): Live {
    if (this.#closed) {
      live.channel.close();
      throw closedError();
    }
    this.#live?.channel.close();
    this.#live = live;
    this.#generation += 1;
    return live;
  }
}

/** Starts the daemon, and again when it ended because an older one was still going away. */
class Starter {
  readonly #state: string;
  readonly #env: Env;
  #latest: { readonly daemon: StartingDaemon; readonly at: number } | undefined;

  constructor(state: string, env: Env) {
    this.#state = state;
    this.#env = env;
  }

  /** Throws why the daemon cannot start, once that is known. */
  attempt(): void {
    const latest = this.#latest;
    if (latest !== undefined) {
      const fault = latest.daemon.fault();
      if (fault !== undefined) throw fault;
      if (!latest.daemon.gone() || performance.now() < latest.at + RELAUNCH_MS) return;
      latest.daemon.release();
    }
    this.#latest = undefined;
    const daemon = launchDaemon(this.#state, runtimeFolder(this.#env), this.#env);
    this.#latest = { daemon, at: performance.now() };
  }

  release(): void {
    this.#latest?.daemon.release();
  }
}

/** Opens a channel and says Hello. Throws PROTOCOL_MISMATCH, or DAEMON_UNAVAILABLE when what answers is no daemon. */
async function greet(socket: string, remainingMs: number): Promise<Live> {
  const target = `unix:${socket}`;
  const insecure = credentials.createInsecure();
  const channel = new Channel(target, insecure, {
    // A pool of its own: another channel's failures must not delay this one.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_http_proxy": 0,
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
  });
  const options = { channelOverride: channel };
  const services: Services = {
    daemon: new DaemonServiceClient(target, insecure, options),
    registry: new RegistryServiceClient(target, insecure, options),
    tracker: new TrackerServiceClient(target, insecure, options),
  };
  const request = { client: `typescript/${VERSION}`, protocolMin: PROTOCOL_MIN, protocolMax: PROTOCOL_MAX };
  try {
    const timeoutMs = Math.max(1, Math.min(HELLO_TIMEOUT_MS, remainingMs));
    const hello = await unary(services.daemon.hello.bind(services.daemon), request, { timeoutMs });
    return { channel, services, hello };
  } catch (error) {
    channel.close();
    if (!isUnavailable(error) && !isUnimplemented(error)) throw error;
    throw new PipekitError("DAEMON_UNAVAILABLE", `What listens at ${socket} does not answer as a daemon.`, {
      field: socket,
      mend: "Look at `pkx doctor`; if another program made this socket, stop it.",
      cause: error,
    });
  }
}

function pathOf(endpoint: string): string {
  const path = /^unix:(?:\/\/)?(\/.+)$/.exec(endpoint)?.[1];
  if (path !== undefined) return path;
  throw new PipekitError("INVALID_ARGUMENT", `The endpoint ${endpoint} is not of the form unix:/path.`, {
    field: "endpoint",
    mend: "Give the socket's absolute path, such as unix:/run/user/1000/pipekit-experiment/ab12.sock.",
  });
}

function unavailable(socket: string): PipekitError {
  return new PipekitError("DAEMON_UNAVAILABLE", `No daemon answers at ${socket}.`, {
    field: socket,
    mend: "Start it with `pkx serve`, or look at `pkx doctor`.",
  });
}

function closedError(): PipekitError {
  return new PipekitError("DAEMON_UNAVAILABLE", "The client is closed.", {
    mend: "Connect again with connect().",
  });
}
