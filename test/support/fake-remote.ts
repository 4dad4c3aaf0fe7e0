/** A registry backend that is as far away as a test wants: a folder without paths, which counts and can fail. */
import { open } from "node:fs/promises";
import { localRegistry } from "@pipekit/adapters/local";
import {
  BackendUnavailable,
  type OnBytes,
  type PendingBlob,
  type RegistryBackend,
  type RegistryKind,
} from "@pipekit/adapters/registry";
import { swept } from "../../daemon/rpc/sweep.ts";

/** What went over the wire. */
export interface Traffic {
  /** Calls by name. */
  readonly calls: { [name: string]: number };
  /** Bytes of large objects that were fetched or read. */
  received: number;
  /** Bytes of large objects that were published. */
  sent: number;
}

export class FakeRemote implements RegistryKind {
  readonly schemes = ["fake"];
  readonly traffic: Traffic = { calls: {}, received: 0, sent: 0 };
  /** Every call fails as if nobody answered. */
  offline = false;
  /** Whether it can be opened while it is offline. */
  opensOffline = true;
  /** Whether it has `fetch`, or `read` alone. */
  fetches = true;
  /** Whether it has `copy`. */
  copies = true;
  /** Called before each chunk that is fetched or sent, with the bytes done; may wait, or throw what the network would. */
  onChunk: (done: number) => unknown = () => undefined;
  /** Changes what is received. */
  damage: (chunk: Buffer) => Buffer = (chunk) => chunk;

  parse(spec: string): string {
    return spec;
  }

  /** `fake:/absolute/folder`. */
  async open(spec: string, context: Parameters<RegistryKind["open"]>[1]): Promise<RegistryBackend> {
    if (!this.opensOffline) await this.#call("open", async () => undefined);
    const inner = await localRegistry.open(spec.replace(/^fake/, "local"), context);
    return this.#wrap(spec, inner);
  }

  /** Forgets what was counted. */
  reset(): void {
    Object.assign(this.traffic, { calls: {}, received: 0, sent: 0 });
  }

  /** Number of all calls. */
  get requests(): number {
    return Object.values(this.traffic.calls).reduce((sum, count) => sum + count, 0);
  }

  #wrap(spec: string, inner: RegistryBackend): RegistryBackend {
    const backend: RegistryBackend = {
      spec,
      properties: inner.properties,
      get: (...given) => this.#call("get", () => inner.get(...given)),
      create: (...given) => this.#call("create", () => inner.create(...given)),
      replace: (...given) => this.#call("replace", () => inner.replace(...given)),
      remove: (...given) => this.#call("remove", () => inner.remove(...given)),
      info: (...given) => this.#call("info", () => inner.info(...given)),
      list: (...given) => this.#call("list", () => inner.list(...given)),
      scan: (...given) => this.#call("scan", () => inner.scan(...given)),
      receive: async (...given) => this.#pending(await inner.receive(...given)),
      read: (...given) => this.#read(inner, ...given),
      localPath: () => undefined,
      litter: (...given) => inner.litter(...given),
      watch: (...given) => inner.watch(...given),
    };
    if (this.fetches) {
      backend.fetch = (key, path, signal, onBytes) => this.#fetch(inner, key, path, signal, onBytes);
    }
    if (this.copies)
      backend.copy = (...given) => this.#call("copy", async () => !!(await inner.copy?.(...given)));
    return backend;
  }

  async #call<T>(name: string, call: () => Promise<T>): Promise<T> {
    this.traffic.calls[name] = (this.traffic.calls[name] ?? 0) + 1;
    if (this.offline) throw new BackendUnavailable("The fake registry is away.", "Wait.");
    return call();
  }

  #pending(blob: PendingBlob): PendingBlob {
    return {
      ...blob,
      publish: (key, signal, onBytes) =>
        this.#call("publish", async () => {
          for (let done = 0; done < blob.size; done += 1024 * 1024) {
            signal.throwIfAborted();
            await this.onChunk(done);
            onBytes?.(done, blob.size);
          }
          signal.throwIfAborted();
          this.traffic.sent += blob.size;
          return blob.publish(key, signal);
        }),
    };
  }

  async *#read(
    inner: RegistryBackend,
    key: string,
    offset: number,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    await this.#call("read", async () => undefined);
    let done = offset;
    for await (const chunk of swept(inner.read(key, offset, signal))) {
      await this.onChunk(done);
      signal.throwIfAborted();
      done += chunk.length;
      this.traffic.received += chunk.length;
      yield this.damage(chunk);
    }
  }

  async #fetch(
    inner: RegistryBackend,
    key: string,
    path: string,
    signal: AbortSignal,
    onBytes?: OnBytes,
  ): Promise<void> {
    const total = (await this.#call("info", () => inner.info(key, signal)))?.size ?? 0;
    const file = await open(path, "wx", 0o600);
    try {
      let done = 0;
      for await (const chunk of this.#read(inner, key, 0, signal)) {
        await file.write(chunk, 0, chunk.length, done);
        done += chunk.length;
        onBytes?.(done, total);
      }
    } finally {
      await file.close();
    }
  }
}
