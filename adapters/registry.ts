/**
 * The seam between the registry and where models are kept: a small object store with conditional writes.
 *
 * Keys are relative paths with forward slashes, such as `<hash>/weights.bin` or `_tags/production.txt`. The
 * registry owns names, order of writes and verification; a backend owns bytes, durability and atomicity.
 */

/** A version of an object: changes whenever its content does (never ABA: rewriting old bytes gives a new version). */
export type ObjectVersion = string;

/** A small object read whole. */
export interface StoredObject {
  readonly bytes: Buffer;
  readonly version: ObjectVersion;
}

/** What is known of an object without reading it. */
export interface ObjectInfo {
  readonly key: string;
  readonly size: number;
  /** Unix microseconds of the last write. */
  readonly modifiedAtUs: number;
  /** Digest that its writer noted beside it, where a backend keeps one and a look tells it; the bytes may differ. */
  readonly sha256?: string;
}

/** A large object to write: exactly one source. */
export type BlobSource =
  | { readonly kind: "stream"; readonly chunks: AsyncIterable<Buffer> }
  /** A file to copy. */
  | { readonly kind: "file"; readonly path: string }
  /** A file of ours on the same host that the backend may move away instead of copying it. */
  | { readonly kind: "staged"; readonly path: string };

/** Told how many bytes of how many have been moved. Called often; must not throw. */
export type OnBytes = (done: number, total: number) => void;

/** Told how many bytes of a file are there from its beginning on; those do not change any more. Must not throw. */
export type OnPrefix = (bytes: number) => void;

/** A large object received and durable, but not yet visible under a key. */
export interface PendingBlob {
  readonly sha256: string;
  readonly size: number;
  /**
   * Makes it visible under `key` atomically; when the key exists already, keeps what is there. Returns whether it was
   * created. What an earlier try of the same bytes has sent already is not sent again.
   */
  publish(key: string, signal: AbortSignal, onBytes?: OnBytes): Promise<boolean>;
  /** Removes it. Harmless after publish. */
  discard(): Promise<void>;
}

/** How backends differ, as data. */
export interface RegistryProperties {
  /**
   * Whether `create` and `replace` are linearizable among all processes of all hosts. False: among the calls of this
   * process only, after a re-read; two daemons that move one tag in the same moment may lose one of the moves.
   */
  readonly atomic: boolean;
  /** Whether `modifiedAtUs` is told by one clock, that of the server. False: by the writing host's. */
  readonly serverClock: boolean;
}

/** What was left behind by writers that died, and is not visible as an object. */
export interface Litter {
  /** What it is, for a person: `multipart upload of <key>`, `temporary file`. */
  readonly what: string;
  /** Bytes that it takes; 0 when unknown. */
  readonly bytes: number;
}

/** Where a registry keeps its objects. Every write is durable when its promise resolves. */
export interface RegistryBackend {
  /** Canonical spec, such as `local:/srv/models`. Holds no secret. */
  readonly spec: string;
  readonly properties: RegistryProperties;
  /** Reads a small object; undefined when there is none. Throws ObjectTooLarge for more than 16 MiB. */
  get(key: string, signal: AbortSignal): Promise<StoredObject | undefined>;
  /** Creates a small object; undefined when the key exists. Linearizable: of many racers exactly one creates. */
  create(key: string, bytes: Buffer, signal: AbortSignal): Promise<ObjectVersion | undefined>;
  /** Replaces a small object if it is still at `version`; undefined when it is not. Linearizable. */
  replace(
    key: string,
    bytes: Buffer,
    version: ObjectVersion,
    signal: AbortSignal,
  ): Promise<ObjectVersion | undefined>;
  /** Removes an object; harmless when there is none. */
  remove(key: string, signal: AbortSignal): Promise<void>;
  /** Looks at an object; undefined when there is none. */
  info(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined>;
  /** Keys under `prefix` in byte order, after `after`. With `folders`, the distinct first path segments instead, each ending in `/`. */
  list(
    prefix: string,
    options: { readonly after?: string; readonly limit: number; readonly folders?: boolean },
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  /** Like `list` without `folders`, with what is known of each object. */
  scan(
    prefix: string,
    options: { readonly after?: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<readonly ObjectInfo[]>;
  /**
   * Receives a large object with bounded memory and its digest; throws SourceUnreadable for a file it cannot read.
   * `onBytes` is told of the bytes of a file that have been hashed.
   */
  receive(source: BlobSource, signal: AbortSignal, onBytes?: OnBytes): Promise<PendingBlob>;
  /** Streams a large object from byte `offset`, in chunks of at most 1 MiB; throws ObjectMissing. */
  read(key: string, offset: number, signal: AbortSignal): AsyncIterable<Buffer>;
  /** Absolute path of a read-only file with the object, when the backend has it on this host. */
  localPath(key: string): string | undefined;
  /**
   * Fetches a large object into a new file, with as many parallel requests as serve, all of one version. The file is not
   * checked and not durable yet; a backend that knows calls `onPrefix`, so that hashing need not wait for the end. Throws
   * ObjectMissing. Absent where `localPath` gives one.
   */
  fetch?(
    key: string,
    path: string,
    signal: AbortSignal,
    onBytes?: OnBytes,
    onPrefix?: OnPrefix,
  ): Promise<void>;
  /**
   * Makes `to` a copy of the large object `from` within the backend, without sending its bytes; when `to` exists, keeps
   * what is there. Returns false when `from` is gone. Absent where the backend cannot.
   */
  copy?(from: string, to: string, signal: AbortSignal): Promise<boolean>;
  /** Finds, and with `remove` removes, what dead writers left behind more than `olderThanMs` ago. */
  litter(
    options: { readonly olderThanMs: number; readonly remove: boolean },
    signal: AbortSignal,
  ): AsyncIterable<Litter>;
  /**
   * Tells where what the server shows by itself, such as names that a person has moved there, is not what the objects
   * say: one sentence each. Absent where nothing is shown but the objects.
   */
  differences?(signal: AbortSignal): AsyncIterable<string>;
  /** Calls `changed` when `key` may have changed; returns the stop function. Polling is allowed. */
  watch(key: string, changed: () => void): () => void;
}

/** Read of an object that is not there. */
export class ObjectMissing extends Error {
  readonly key: string;
  constructor(key: string) {
    super(`No object has the key ${key}.`);
    this.name = "ObjectMissing";
    this.key = key;
  }
}

/** An object that is to be read whole, and is larger than any that a registry writes so. */
export class ObjectTooLarge extends Error {
  readonly key: string;
  constructor(key: string) {
    super(`The object ${key} is too large to be read whole.`);
    this.name = "ObjectTooLarge";
    this.key = key;
  }
}

/** A file to copy that cannot be read. `reason` is half a sentence. */
export class SourceUnreadable extends Error {
  readonly path: string;
  readonly reason: string;
  constructor(path: string, reason: string, cause?: unknown) {
    super(`${path} cannot be read: ${reason}.`, cause === undefined ? {} : { cause });
    this.name = "SourceUnreadable";
    this.path = path;
    this.reason = reason;
  }

  /** Names the system's reason for a failed open or read. */
  static from(path: string, error: unknown): SourceUnreadable {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: "it does not exist",
      EACCES: "permission is denied",
      EISDIR: "it is a folder",
    };
    return new SourceUnreadable(path, reasons[code] ?? `the system says ${code || String(error)}`, error);
  }
}

/** A server that keeps objects and cannot be used, for now or as it is. `mend` is one sentence. */
export class BackendUnavailable extends Error {
  readonly mend: string;
  constructor(message: string, mend: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = "BackendUnavailable";
    this.mend = mend;
  }
}

/** A server that does not keep what a registry relies on, or a permission that is lacking. `mend` is one sentence. */
export class BackendRefused extends Error {
  readonly mend: string;
  constructor(message: string, mend: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = "BackendRefused";
    this.mend = mend;
  }
}

/** What a backend is given to work with. */
export interface BackendContext {
  /** A folder of this host for temporary files, made by the caller; backends may leave files of a dead process there. */
  readonly scratch: string;
  /** The environment in which credentials are found. */
  readonly env: NodeJS.ProcessEnv;
}

/** A kind of registry backend. */
export interface RegistryKind {
  /** Schemes of its specs, without `:`. */
  readonly schemes: readonly string[];
  /** Checks a spec and returns it in canonical form. Throws SpecError of adapters/tracker. */
  parse(spec: string): string;
  /** Opens the backend; creates what must exist. Throws BackendUnavailable, BackendRefused. */
  open(spec: string, context: BackendContext): Promise<RegistryBackend>;
}
