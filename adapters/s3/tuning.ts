/** Sizes and times of the S3 backend. Tests make them smaller. */
export interface Tuning {
  readonly connectMs: number;
  /** Silence on a connection after which it is given up, milliseconds. */
  readonly silenceMs: number;
  /** Requests for one call, with the retries. */
  readonly attempts: number;
  readonly sockets: number;
  /** Objects from this size on are sent in parts. */
  readonly multipartFrom: number;
  /** Smallest size of a part but the last: S3 takes 5 MiB. */
  readonly partBytes: number;
  /** Parts sent at a time; each has a buffer of its own. */
  readonly sending: number;
  /** Bytes of a range when a file is fetched, and ranges fetched at a time. */
  readonly fetchBytes: number;
  readonly fetching: number;
  /** Bytes of a range when an object is streamed, and ranges read ahead: what is read ahead lies in memory. */
  readonly streamBytes: number;
  readonly readAhead: number;
  /** CopyObject copies less than this; 5 GiB is what S3 allows. */
  readonly copyPartsFrom: number;
  readonly copyPartBytes: number;
}

const MIB = 1024 * 1024;

export const TUNING: Tuning = {
  connectMs: 10_000,
  silenceMs: 20_000,
  attempts: 5,
  sockets: 64,
  multipartFrom: 16 * MIB,
  partBytes: 8 * MIB,
  sending: 5,
  fetchBytes: 16 * MIB,
  fetching: 8,
  streamBytes: 2 * MIB,
  readAhead: 4,
  copyPartsFrom: 5 * 1024 * MIB,
  copyPartBytes: 512 * MIB,
};
