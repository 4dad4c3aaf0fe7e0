/**
 * What peers may cost, above all such that have proved nothing: how many connections, how fast, how long, how many bytes.
 * Pure bookkeeping.
 */
import { Bucket } from "./bucket.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { PrincipalTallies } from "./principal-tallies.ts";
import type { Quota } from "./quota.ts";

/** Addresses that are remembered. */
const MAX_ADDRESSES = 4096;

/** A connection as the limits see it. */
export interface Peer {
  readonly address: string;
  readonly sinceMs: number;
  proved: boolean;
  /** Whose it is; empty before it is proved. */
  principal: string;
  calls: number;
  refusals: number;
  /** Of calls, of those in a crowd, and of refusals, that one with proof has left. */
  pace: Bucket | undefined;
  share: Bucket | undefined;
  patience: Bucket | undefined;
}

/** A connection that has just come. `sinceMs` is the time of the clock that the limits are given. */
export function newPeer(address: string, sinceMs: number): Peer {
  return {
    ...{ address, sinceMs, proved: false, principal: "", calls: 0, refusals: 0 },
    ...{ pace: undefined, share: undefined, patience: undefined },
  };
}

interface Address {
  /** Of new connections, and of calls without proof, that it has left. */
  readonly bucket: Bucket;
  readonly calls: Bucket;
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
  readonly #principals: PrincipalTallies;
  /** Those that proved nothing yet, oldest first. */
  readonly #unproved = new Set<P>();
  #count = 0;

  constructor(limits: ConnectionLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    this.#strangers = new Bucket(limits.burst, limits.perSecond, now);
    this.#principals = new PrincipalTallies(now);
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

  /**
   * A call has proved who this is. False where the principal has as many connections as it may: this one stays among those
   * without proof, whose time and calls are few, until another has gone.
   */
  prove(peer: P, principal: string, quota: Quota): boolean {
    if (peer.proved || !this.#unproved.has(peer)) return true;
    if (!this.#principals.add(principal, quota)) return false;
    this.#unproved.delete(peer);
    peer.proved = true;
    peer.principal = principal;
    const address = this.#of(peer.address);
    address.unproved--;
    address.proved++;
    address.known = true;
    // Who is known may come again as often as he likes.
    address.bucket.give(1);
    return true;
  }

  /** A connection is closed for what it did: it comes again as a stranger does. */
  punish(peer: P): void {
    if (peer.proved) this.#of(peer.address).bucket.owe(1);
  }

  remove(peer: P): void {
    const address = this.#of(peer.address);
    if (!peer.proved && !this.#unproved.delete(peer)) return;
    this.#count--;
    if (peer.proved) {
      address.proved--;
      this.#principals.remove(peer.principal);
    } else address.unproved--;
  }

  /** Counts a call of whatever kind; true when the connection must go. */
  isTooMany(peer: P): boolean {
    const { unprovedCalls, callBurst, callsPerSecond } = this.#limits;
    if (!peer.proved) return ++peer.calls > unprovedCalls || !this.#of(peer.address).calls.take(1);
    peer.pace ??= new Bucket(callBurst, callsPerSecond, this.#now);
    return this.isCrowding(peer, 1) || !peer.pace.take(1);
  }

  /**
   * Counts calls of one with proof; true when the connection must go, since all of its principal begin too many, and it
   * has begun more than its share.
   */
  isCrowding(peer: P, calls: number): boolean {
    const { shareBurst, sharePerSecond } = this.#limits;
    peer.share ??= new Bucket(shareBurst, sharePerSecond, this.#now);
    const inShare = peer.share.spend(calls);
    return this.#principals.isTooMany(peer.principal, calls) && !inShare;
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
    const { burstPerAddress, perSecondPerAddress, unprovedCallBurst, unprovedCallsPerSecond } = this.#limits;
    const bucket = new Bucket(burstPerAddress, perSecondPerAddress, this.#now);
    const calls = new Bucket(unprovedCallBurst, unprovedCallsPerSecond, this.#now);
    const made = { bucket, calls, unproved: 0, proved: 0, known: false };
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
