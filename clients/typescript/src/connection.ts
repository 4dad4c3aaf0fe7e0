import { setTimeout as sleep } from "node:timers/promises";
import { connectivityState } from "@grpc/grpc-js";
import { type HelloResponse, PipekitError, unlessAborted } from "@pipekit/proto";
import { type CallSettings, isUnavailable } from "./calls.ts";
import { greet, type Live, type Services } from "./channel.ts";
import { type Endpoint, namedEndpoint, type Proofs, socketEndpoint } from "./endpoint.ts";
import { type Env, endpointName, runtimeFolder, socketPath, stateFolder } from "./folders.ts";
import { isMismatch, leavesForThis, mismatchUnlessLeaving } from "./hand-over.ts";
import { checkRuntimeFolder } from "./launch.ts";
import { Starter } from "./starter.ts";

const POLL_MS = 20;
/** Between two questions to an older daemon that others use. */
const RENEWAL_POLL_MS = 250;

/** How to find the daemon. */
export interface ConnectOptions extends CallSettings, Proofs {
  /**
   * Where it listens, `unix:/path` or `https://host:port`. Default: `$PKX_ENDPOINT`, else the socket of the state folder. A
   * daemon at a named endpoint is never started.
   */
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
    this.#named = endpointName(options, this.#env);
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

  /** Throws PROTOCOL_MISMATCH when the daemon does not name a capability; `deed` is what needs it, for a person. */
  need(capability: string, deed: string): void {
    const { capabilities, daemonVersion } = this.hello;
    if (capabilities.includes(capability)) return;
    throw new PipekitError("PROTOCOL_MISMATCH", `The daemon (version ${daemonVersion}) cannot ${deed}.`, {
      field: capability,
      mend: "Stop it with `pkx stop`; a newer one then starts.",
    });
  }

  /** Whether the daemon is taken to be on another host, where paths of this one mean nothing. */
  get remote(): boolean {
    return this.#current().remote;
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
    await unlessAborted(this.#establishing, signal);
  }

  /** Resolves once the connection of now has broken, or is closed. */
  async lost(): Promise<void> {
    const { channel } = this.#current();
    for (;;) {
      const state = channel.getConnectivityState(false);
      if (state !== connectivityState.READY) return;
      await new Promise((changed) =>
        channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, changed),
      );
    }
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

  #endpoint(): Endpoint {
    if (this.#named !== undefined) return namedEndpoint(this.#named, this.#options, this.#env);
    const runtime = runtimeFolder(this.#env);
    checkRuntimeFolder(runtime);
    return socketEndpoint(socketPath(runtime, this.#stateFolder()));
  }

  #stateFolder(): string {
    return this.#options.stateFolder ?? stateFolder(this.#env);
  }

  /** Looks for the daemon until it answers, starting it when there is none and that is allowed. */
  async #establish(): Promise<Live> {
    const deadline = performance.now() + (this.#options.timeoutMs ?? 20_000);
    const mayStart = this.#named === undefined && this.#options.start !== false;
    const started = mayStart ? new Starter(this.#stateFolder(), this.#env) : undefined;
    let refusal: PipekitError | undefined;
    try {
      for (;;) {
        const endpoint = this.#endpoint();
        let fault: unknown;
        if (await endpoint.answers()) {
          // Not one that this client has started: that is as new as it gets.
          const renews = started?.renews === true;
          try {
            const live = await greet(endpoint, deadline - performance.now());
            if (!renews || !(await leavesForThis(endpoint, live.hello))) return this.#adopt(live);
            live.channel.close();
          } catch (error) {
            if (renews && isMismatch(error)) refusal = await mismatchUnlessLeaving(endpoint, error);
            else if (!isUnavailable(error)) throw error;
            // Time that runs out in an answer does not hide why it was waited for.
            fault = refusal ?? error;
          }
        } else {
          started?.attempt();
        }
        if (performance.now() > deadline || !mayStart) throw fault ?? unavailable(endpoint.name);
        if (this.#closed) throw closedError();
        await sleep(isMismatch(fault) ? RENEWAL_POLL_MS : POLL_MS);
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

function unavailable(endpoint: string): PipekitError {
  return new PipekitError("DAEMON_UNAVAILABLE", `No daemon answers at ${endpoint}.`, {
    field: endpoint,
    mend: "Start it with `pkx serve`, or look at `pkx doctor`.",
  });
}

function closedError(): PipekitError {
  return new PipekitError("DAEMON_UNAVAILABLE", "The client is closed.", {
    mend: "Connect again with connect().",
  });
}
