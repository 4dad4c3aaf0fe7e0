/**
 * The way to the daemon. Whoever asks for it has the daemon looked for, and started where that is allowed; from then on it
 * is looked for in the background whenever it is away, and never started there: who stops the daemon means it.
 *
 * Every connection has a client of its own. When it breaks, the client is closed and its `lost` aborts, so that whoever
 * keeps something up to date begins anew on the next one, which may be of another daemon.
 */
import type { Client } from "@pipekit/experiment";
import { PipekitError, unlessAborted } from "@pipekit/proto";
import type { DaemonDocument } from "@pipekit/proto/editor";
import { anyOf, asPipekitError, closed, isAway, pause } from "./aborting.ts";
import { endpointOf, mayStart, statusDocument } from "./documents/daemon.ts";
import { find, findOrStart } from "./finding.ts";
import { Listeners } from "./listeners.ts";
import type { DaemonLink, Stop, ViewOptions } from "./view.ts";

/** Pauses between two looks in the background: the first, and the longest, milliseconds. */
const LOOK_MS = 50;
const LOOK_MAX_MS = 2_000;
/** The longest pause where what answers is of another protocol version, or cannot be used for another reason. */
const REFUSED_MAX_MS = 10_000;
/** For so long after a failure it is answered again, without a look: several requests come at once. */
const HOLD_MS = 200;
/** As long as a look that failed took, but no longer than this, requests fail at once. */
const HOLD_MAX_MS = 10_000;

/** A connection. */
export interface Connected {
  readonly client: Client;
  /** Aborts with DAEMON_UNAVAILABLE once it is broken or closed. */
  readonly lost: AbortSignal;
}

/** A failed look, and until when (by performance.now()) it is the answer. */
interface Failure {
  readonly error: PipekitError;
  readonly untilMs: number;
}

export class Link implements DaemonLink {
  readonly #options: ViewOptions;
  readonly #statuses = new Listeners<DaemonDocument>();
  readonly #closing = new AbortController();
  #status: DaemonDocument;
  #live: { readonly connected: Connected; readonly end: AbortController } | undefined;
  #asking: Promise<Connected> | undefined;
  #failure: Failure | undefined;
  #next = Promise.withResolvers<Connected>();
  #looking = false;

  constructor(options: ViewOptions) {
    this.#options = options;
    this.#status = statusDocument("connecting", options);
  }

  get status(): DaemonDocument {
    return this.#status;
  }

  /** The connection of now. */
  get live(): Connected | undefined {
    return this.#live?.connected;
  }

  onStatus(changed: (status: DaemonDocument) => void): Stop {
    return this.#statuses.add(changed);
  }

  async client(signal?: AbortSignal): Promise<Client> {
    return (await this.connected(signal)).client;
  }

  /** As `client`, with the end of the connection. */
  async connected(signal?: AbortSignal): Promise<Connected> {
    signal?.throwIfAborted();
    if (this.#closing.signal.aborted) throw closed();
    if (this.#live !== undefined) return this.#live.connected;
    if (this.#failure !== undefined && performance.now() < this.#failure.untilMs) throw this.#failure.error;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return unlessAborted(this.#asking, signal);
  }

  /** The connection of now, or the next one, however long that takes; starts no daemon. Throws the signal's reason. */
  next(signal: AbortSignal): Promise<Connected> {
    return this.#live === undefined
      ? unlessAborted(this.#next.promise, anyOf(signal, this.#closing.signal))
      : Promise.resolve(this.#live.connected);
  }

  /** Gives a connection up on which the daemon was found to be away. */
  drop({ client }: Connected): void {
    if (this.#live?.connected.client !== client) return;
    this.#end();
    this.#tell(statusDocument("connecting", this.#options));
    void this.#look();
  }

  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(closed());
    this.#end();
    this.#statuses.clear();
  }

  async #ask(): Promise<Connected> {
    const begun = performance.now();
    try {
      return await this.#open(mayStart(this.#options));
    } catch (error) {
      const took = performance.now() - begun;
      const hold = Math.min(HOLD_MAX_MS, Math.max(HOLD_MS, took));
      const failure = this.#fail(error);
      this.#failure = { error: failure, untilMs: performance.now() + hold };
      void this.#look();
      throw failure;
    }
  }

  /** Looks for the daemon until it is there. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const { signal } = this.#closing;
    for (let wait = LOOK_MS; this.#live === undefined && !signal.aborted; ) {
      await pause(wait, signal);
      if (this.#live !== undefined || signal.aborted) break;
      // Who asks looks already.
      const found = this.#asking ?? this.#open(false);
      const failure = await found.then(
        () => undefined,
        (error: unknown) => this.#fail(error),
      );
      if (failure !== undefined) wait = Math.min(wait * 2, isAway(failure) ? LOOK_MAX_MS : REFUSED_MAX_MS);
    }
    this.#looking = false;
    // It may have been lost again meanwhile.
    if (this.#live === undefined && !signal.aborted) void this.#look();
  }

  async #open(starting: boolean): Promise<Connected> {
    const { signal } = this.#closing;
    const begins = () => this.#tell(statusDocument("connecting", this.#options));
    return this.#adopt(
      await (starting ? findOrStart(this.#options, signal, begins) : find(this.#options, signal)),
    );
  }

  #adopt(client: Client): Connected {
    if (this.#live !== undefined || this.#closing.signal.aborted) {
      client.close();
      if (this.#live === undefined) throw closed();
      return this.#live.connected;
    }
    const end = new AbortController();
    const connected: Connected = { client, lost: end.signal };
    this.#live = { connected, end };
    this.#failure = undefined;
    void client.lost().then(() => this.drop(connected));
    this.#next.resolve(connected);
    this.#tell(statusDocument("connected", this.#options, { version: client.daemon.daemonVersion }));
    return connected;
  }

  #end(): void {
    const live = this.#live;
    if (live === undefined) return;
    this.#live = undefined;
    this.#next = Promise.withResolvers();
    live.end.abort(
      new PipekitError("DAEMON_UNAVAILABLE", "The daemon went away.", {
        field: endpointOf(this.#options),
        mend: "Try again: it is looked for anew.",
      }),
    );
    live.connected.client.close();
  }

  #fail(error: unknown): PipekitError {
    const failure = asPipekitError(error);
    const state = failure.code === "PROTOCOL_MISMATCH" ? "incompatible" : "unavailable";
    if (!this.#closing.signal.aborted && this.#live === undefined) {
      const { message, mend } = failure;
      this.#tell(statusDocument(state, this.#options, { message, mend }));
    }
    return failure;
  }

  #tell(status: DaemonDocument): void {
    const { state, message, version } = this.#status;
    this.#status = status;
    if (state === status.state && message === status.message && version === status.version) return;
    this.#statuses.tell(status);
  }
}
