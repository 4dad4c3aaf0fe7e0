/** The limits of a listening address: most are for peers that have not proved yet who they are. */
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
  /** Such calls of one address, on all its connections: so many at once, and so many a second. */
  readonly unprovedCallBurst: number;
  readonly unprovedCallsPerSecond: number;
  /** Calls that a peer with proof begins on one connection: so many at once, and so many a second; then it is closed. */
  readonly callBurst: number;
  readonly callsPerSecond: number;
  /** Calls that one connection may begin while all of its principal together begin too many: so many at once, and so many a second. */
  readonly shareBurst: number;
  readonly sharePerSecond: number;
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
  unprovedCallBurst: 8 * MAX_STREAMS,
  unprovedCallsPerSecond: 256,
  // Who heeds the limits of streams and of calls_per_s comes nowhere near.
  callBurst: 2 * MAX_STREAMS,
  callsPerSecond: 512,
  shareBurst: 16,
  sharePerSecond: 2,
  refusals: 8,
  refusalsProved: 64,
};
