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
}

/** A large object to write: exactly one source. */
export type BlobSource =
  | { readonly kind: "stream"; readonly chunks: AsyncIterable<Buffer> }
  /** A file to copy. */
  | { readonly kind: "file"; readonly path: string }
  /** A file of ours on the same host that the backend may move away instead of copying it. */
  | { readonly kind: "staged"; readonly path: string };

/** A large object received and durable, but not yet visible under a key. */
export interface PendingBlob {
  readonly sha256: string;
  readonly size: number;
  /** Makes it visible under `key` atomically; when the key exists already, keeps what is there. Returns whether it was created. */
  publish(key: string, signal: AbortSignal): Promise<boolean>;
  /** Removes it. Harmless after publish. */
  discard(): Promise<void>;
}

/** Where a registry keeps its objects. Every write is durable when its promise resolves. */
export interface RegistryBackend {
  /** Canonical spec, such as `local:/srv/models`. */
  readonly spec: string;
  /** Reads a small object (at most 16 MiB); undefined when there is none. */
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
  /** Receives a large object with bounded memory and its digest; throws SourceUnreadable for a file it cannot read. */
  receive(source: BlobSource, signal: AbortSignal): Promise<PendingBlob>;
  /** Streams a large object from byte `offset`, in chunks of at most 1 MiB; throws ObjectMissing. */
  read(key: string, offset: number, signal: AbortSignal): AsyncIterable<Buffer>;
  /** Absolute path of a read-only file with the object, when the backend has it on this host. */
  localPath(key: string): string | undefined;
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

/** A kind of registry backend. */
export interface RegistryKind {
  /** Schemes of its specs, without `:`. */
  readonly schemes: readonly string[];
  /** Checks a spec and returns it in canonical form. Throws SpecError of adapters/tracker. */
  parse(spec: string): string;
  /** Opens the backend; creates what must exist. */
  open(spec: string): Promise<RegistryBackend>;
}
