/** What peers that have proved nothing may cost: how many connections, how fast, how long, how many bytes. Pure bookkeeping. */
import { Bucket } from "./bucket.ts";

/** Limits of a listening address. Those of connections are for such as have not proved yet who they are. */
export interface ConnectionLimits {
  /** Connections in all, proved or not. */
  readonly connections: number;
  readonly unproved: number;
  readonly unprovedPerAddress: number;
  /** Of one address that were proved. */
  readonly provedPerAddress: number;
  /** From the connection to the first call that proves who it is, milliseconds. */
  readonly proofMs: number;
  /** Bytes that a peer may send before that, with the handshake. */
  readonly proofBytes: number;
  /** New connections of one address: so many at once, and so many a second. */
  readonly burstPerAddress: number;
  readonly perSecondPerAddress: number;
  /** New connections of all addresses of which none was ever proved. */
  readonly burst: number;
  readonly perSecond: number;
  /** Calls of a peer without proof after which its connection is closed, whatever became of them. */
  readonly unprovedCalls: number;
  /** Calls that a peer with proof begins on one connection: so many at once, and so many a second; then it is closed. */
  readonly callBurst: number;
  readonly callsPerSecond: number;
  /** Refused calls after which a connection without proof is closed; of one with proof so many at once, as many a minute. */
  readonly refusals: number;
  readonly refusalsProved: number;
}

/** Streams of one connection at a time: a client has one of a writer and some that watch. */
export const MAX_STREAMS = 128;

export const CONNECTION_LIMITS: ConnectionLimits = {
  connections: 4096,
  unproved: 256,
  unprovedPerAddress: 32,
  provedPerAddress: 1024,
  proofMs: 10_000,
  proofBytes: 256 * 1024,
  burstPerAddress: 48,
  perSecondPerAddress: 20,
  burst: 128,
  perSecond: 40,
  // As many as HTTP/2 lets a client have open: they may come before the first of them is looked at.
  unprovedCalls: MAX_STREAMS,
  // Who heeds the limits of streams and of calls_per_s comes nowhere near.
  callBurst: 2 * MAX_STREAMS,
  callsPerSecond: 512,
  refusals: 8,
  refusalsProved: 64,
};

/** Addresses that are remembered. */
const MAX_ADDRESSES = 4096;

/** A connection as the limits see it. */
export interface Peer {
  readonly address: string;
  readonly sinceMs: number;
  proved: boolean;
  calls: number;
  refusals: number;
  /** Of calls, and of refusals, that one with proof has left. */
  pace: Bucket | undefined;
  patience: Bucket | undefined;
}

interface Address {
  readonly bucket: Bucket;
  unproved: number;
  proved: number;
  /** Whether a connection of it ever proved who it is. */
  known: boolean;
}

/** Why a connection is closed. */
export type Closing =
  | "TOO_MANY_CONNECTIONS"
  | "TOO_FAST"
  | "NO_PROOF_IN_TIME"
  | "TOO_MUCH_UNPROVED"
  | "TOO_MANY_CALLS"
  | "TOO_MANY_REFUSALS";

/** Counts connections and judges new ones. */
export class Connections<P extends Peer> {
  readonly #limits: ConnectionLimits;
  readonly #now: () => number;
  readonly #addresses = new Map<string, Address>();
  readonly #strangers: Bucket;
  /** Those that proved nothing yet, oldest first. */
  readonly #unproved = new Set<P>();
  #count = 0;

  constructor(limits: ConnectionLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    this.#strangers = new Bucket(limits.burst, limits.perSecond, now);
  }

  get unproved(): ReadonlySet<P> {
    return this.#unproved;
  }

  /** Why a new connection of this address is not taken; undefined when it may be. */
  refuse(address: string): Closing | undefined {
    const { connections, provedPerAddress, unprovedPerAddress } = this.#limits;
    const known = this.#of(address);
    if (!known.bucket.take(1)) return "TOO_FAST";
    if (!known.known && !this.#strangers.take(1)) return "TOO_FAST";
    if (this.#count >= connections || known.proved >= provedPerAddress) return "TOO_MANY_CONNECTIONS";
    if (known.unproved >= unprovedPerAddress) return "TOO_MANY_CONNECTIONS";
    return undefined;
  }

  /** Takes a connection in. Returns the one that must go for it: who waits longest without a proof makes room. */
  add(peer: P): P | undefined {
    this.#count++;
    this.#of(peer.address).unproved++;
    this.#unproved.add(peer);
    if (this.#unproved.size <= this.#limits.unproved) return undefined;
    const [oldest] = this.#unproved;
    return oldest;
  }

  /** A call has proved who this is. */
  prove(peer: P): void {
    if (peer.proved || !this.#unproved.delete(peer)) return;
    peer.proved = true;
    const address = this.#of(peer.address);
    address.unproved--;
    address.proved++;
    address.known = true;
    // Who is known may come again as often as he likes.
    address.bucket.give(1);
  }

  remove(peer: P): void {
    const address = this.#of(peer.address);
    if (!peer.proved && !this.#unproved.delete(peer)) return;
    this.#count--;
    if (peer.proved) address.proved--;
    else address.unproved--;
  }

  /** Counts a call of whatever kind; true when the connection must go. */
  isTooMany(peer: P): boolean {
    const { unprovedCalls, callBurst, callsPerSecond } = this.#limits;
    if (!peer.proved) return ++peer.calls > unprovedCalls;
    peer.pace ??= new Bucket(callBurst, callsPerSecond, this.#now);
    return !peer.pace.take(1);
  }

  /** Counts a refused call; true when the connection must go. */
  isTooRefused(peer: P): boolean {
    const { refusals, refusalsProved } = this.#limits;
    if (!peer.proved) return ++peer.refusals >= refusals;
    peer.patience ??= new Bucket(refusalsProved, refusalsProved / 60, this.#now);
    return !peer.patience.take(1);
  }

  /** Why a connection without proof must go now; undefined when it may stay. */
  overdue(peer: P, bytes: number): Closing | undefined {
    if (bytes > this.#limits.proofBytes) return "TOO_MUCH_UNPROVED";
    return this.#now() - peer.sinceMs > this.#limits.proofMs ? "NO_PROOF_IN_TIME" : undefined;
  }

  #of(address: string): Address {
    const found = this.#addresses.get(address);
    if (found !== undefined) return found;
    if (this.#addresses.size >= MAX_ADDRESSES) this.#forget();
    const { burstPerAddress, perSecondPerAddress } = this.#limits;
    const bucket = new Bucket(burstPerAddress, perSecondPerAddress, this.#now);
    const made = { bucket, unproved: 0, proved: 0, known: false };
    this.#addresses.set(address, made);
    return made;
  }

  /** Forgets addresses that have no connection, strangers before those that are known. */
  #forget(): void {
    for (const known of [false, true]) {
      for (const [address, { proved, unproved, ...kept }] of this.#addresses) {
        if (proved + unproved === 0 && kept.known === known) this.#addresses.delete(address);
      }
      if (this.#addresses.size < MAX_ADDRESSES) return;
    }
  }
}
