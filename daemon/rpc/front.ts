/**
 * The door for other hosts: takes TCP connections, and hands those that the limits let pass on to the gRPC server, which
 * does TLS. What a peer may cost before one of its calls has proved who it is, is bounded here.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import type { Http2Session, ServerHttp2Stream } from "node:http2";
import { createServer, type Server as NetServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import {
  type Server,
  type ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import { principalOf } from "../access/principal.ts";
import type { Refusals } from "../audit/index.ts";
import {
  type Closing,
  CONNECTION_LIMITS,
  type ConnectionLimits,
  Connections,
  newPeer,
  type Peer,
} from "../limits/index.ts";
import { answerOnlyAlive } from "./alive.ts";
import { peerOf } from "./audit.ts";
import { type QuotaOf, refusal } from "./limits.ts";

/** How often those without proof are looked at, milliseconds. */
const LOOK_MS = 100;
/** Connections that the kernel holds until they are taken. */
const BACKLOG = 512;
/** When a connection closes nobody knows: who has too many asks again after this, milliseconds. */
const CONNECTIONS_WAIT_MS = 5000;
/** Where Node tells of each stream that a peer opens, before anything is done for it (nodejs.org, diagnostics_channel). */
const STREAM_CREATED = "http2.server.stream.created";

interface Caller extends Peer {
  readonly socket: Socket;
  session: Http2Session | undefined;
}

export class Front {
  readonly #refusals: Refusals;
  readonly #quotaOf: QuotaOf;
  readonly #connections: Connections<Caller>;
  /** By `address:port`. */
  readonly #callers = new Map<string, Caller>();
  readonly #net: NetServer;
  #injector: ReturnType<Server["createConnectionInjector"]> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(refusals: Refusals, quotaOf: QuotaOf, limits: ConnectionLimits = CONNECTION_LIMITS) {
    this.#refusals = refusals;
    this.#quotaOf = quotaOf;
    this.#connections = new Connections(limits);
    this.#net = createServer({ noDelay: true }, (socket) => this.#take(socket));
  }

  /** Must follow the guards: a call that comes here has proved who it is. */
  readonly interceptor: ServerInterceptor = (_method, call) =>
    new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, pass) => {
            const principal = principalOf(metadata);
            if (this.proved(peerOf(call), principal)) pass(metadata);
            else call.sendStatus(refusal("connections", CONNECTIONS_WAIT_MS, principal));
          },
        });
      },
    });

  /** A call of this peer has proved who it is. False where that principal has as many connections as it may. */
  proved(peer: string, principal: string): boolean {
    const caller = this.#callers.get(peer);
    if (caller === undefined || caller.proved) return true;
    if (!this.#connections.prove(caller, principal, this.#quotaOf(principal))) return false;
    // What it has begun before anybody knew whose it is.
    if (this.#connections.isCrowding(caller, caller.calls)) this.#close(caller, "TOO_MANY_CALLS");
    return true;
  }

  /** A call of this peer was refused by the guards. */
  refused(peer: string): void {
    const caller = this.#callers.get(peer);
    if (caller !== undefined && this.#connections.isTooRefused(caller))
      this.#close(caller, "TOO_MANY_REFUSALS");
  }

  /** A peer has opened a stream, of whatever kind. */
  readonly #streamed = (message: unknown): void => {
    const { stream } = message as { readonly stream: ServerHttp2Stream };
    const { session } = stream;
    const socket = session?.socket;
    if (socket?.remoteAddress === undefined) return;
    const caller = this.#callers.get(`${socket.remoteAddress}:${socket.remotePort}`);
    if (caller === undefined) return;
    answerOnlyAlive(stream);
    caller.session = session;
    if (this.#connections.isTooMany(caller)) this.#close(caller, "TOO_MANY_CALLS");
  };

  /** Binds the address, and serves what comes with the gRPC server. Rejects with the fault of the system. */
  listen(
    server: Server,
    credentials: ServerCredentials,
    { host, port }: { readonly host: string; readonly port: number },
  ): Promise<void> {
    this.#injector = server.createConnectionInjector(credentials);
    subscribe(STREAM_CREATED, this.#streamed);
    return new Promise((done, fail) => {
      this.#net.once("error", fail);
      this.#net.listen({ host, port, backlog: BACKLOG }, () => {
        this.#net.off("error", fail);
        done();
      });
    });
  }

  /** Asks all who are connected to connect anew, and ends what goes on after `graceMs`. */
  drain(graceMs: number): void {
    this.#injector?.drain(graceMs);
  }

  /** Takes no more connections; those that are open may finish what they are being told, for at most `graceMs`. */
  async close(graceMs: number): Promise<void> {
    clearInterval(this.#timer);
    unsubscribe(STREAM_CREATED, this.#streamed);
    this.#net.close();
    for (const { socket } of this.#connections.unproved) socket.destroy();
    const open = [...this.#callers.values()].filter(({ socket }) => !socket.destroyed);
    this.#injector?.drain(graceMs);
    const late = new AbortController();
    const closed = Promise.all(open.map(({ socket }) => once(socket, "close", late).catch(() => undefined)));
    await Promise.race([closed, delay(graceMs, undefined, late).catch(() => undefined)]);
    late.abort();
  }

  #take(socket: Socket): void {
    const { remoteAddress: address, remotePort } = socket;
    // Gone again already.
    if (address === undefined) return void socket.destroy();
    const closing = this.#connections.refuse(address);
    if (closing !== undefined) {
      socket.resetAndDestroy();
      this.#note(address, closing);
      return;
    }
    const name = `${address}:${remotePort}`;
    const caller: Caller = { ...newPeer(address, performance.now()), socket, session: undefined };
    this.#callers.set(name, caller);
    // Resets of the peer; the TLS socket above tells them to who reads.
    socket.on("error", () => undefined);
    socket.once("close", () => {
      this.#callers.delete(name);
      this.#connections.remove(caller);
    });
    const oldest = this.#connections.add(caller);
    if (oldest !== undefined) this.#close(oldest, "TOO_MANY_CONNECTIONS");
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
    this.#injector?.injectConnection(socket);
  }

  #look(): void {
    for (const caller of this.#connections.unproved) {
      const closing = this.#connections.overdue(caller, caller.socket.bytesRead);
      if (closing !== undefined) this.#close(caller, closing);
    }
    if (this.#connections.unproved.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Closes a connection at once: what else it has sent already is not worked off. */
  #close(caller: Caller, closing: Closing): void {
    const { socket, session, address } = caller;
    if (socket.destroyed || session?.destroyed) return;
    this.#connections.punish(caller);
    if (session === undefined) socket.resetAndDestroy();
    else session.destroy();
    this.#note(address, closing);
  }

  #note(address: string, outcome: Closing): void {
    this.#refusals.note({ address, principal: "", method: "", outcome });
  }
}
