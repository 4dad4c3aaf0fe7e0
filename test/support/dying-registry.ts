/**
 * A registry backend whose process dies, so to speak, at a write of the test's choice: nothing after it is done. It also
 * tells what local folders do not: checksums and differences.
 */
import { localRegistry } from "@pipekit/adapters/local";
import type { ObjectInfo, PendingBlob, RegistryBackend, RegistryKind } from "@pipekit/adapters/registry";

export class Died extends Error {}

export class DyingRegistry implements RegistryKind {
  readonly schemes = ["local"];
  /** Writes that are still done. */
  left = Number.POSITIVE_INFINITY;
  /** Writes that were done. */
  done = 0;
  /** Called before each write with its key; may do something else meanwhile. */
  before: (key: string) => Promise<void> = async () => undefined;

  /** Changes what is told of an object. */
  info: (info: ObjectInfo) => ObjectInfo = (info) => info;
  /** What `differences` tells. */
  differences: readonly string[] = [];

  parse(spec: string): string {
    return localRegistry.parse(spec);
  }

  async open(spec: string, context: Parameters<RegistryKind["open"]>[1]): Promise<RegistryBackend> {
    const inner = await localRegistry.open(spec, context);
    const write = async <T>(key: string, work: () => Promise<T>): Promise<T> => {
      await this.before(key);
      if (this.left <= 0) throw new Died(`died at ${key}`);
      this.left -= 1;
      this.done += 1;
      return work();
    };
    const pending = (blob: PendingBlob): PendingBlob => ({
      sha256: blob.sha256,
      size: blob.size,
      publish: (key, ...rest) => write(key, () => blob.publish(key, ...rest)),
      discard: () => blob.discard(),
    });
    const writing: Partial<RegistryBackend> = {
      create: (key, ...rest) => write(key, () => inner.create(key, ...rest)),
      replace: (key, ...rest) => write(key, () => inner.replace(key, ...rest)),
      remove: (key, ...rest) => write(key, () => inner.remove(key, ...rest)),
      info: async (...given) => {
        const found = await inner.info(...given);
        return found && this.info(found);
      },
      differences: () => each(this.differences),
      receive: async (...given) => pending(await inner.receive(...given)),
    };
    return new Proxy(inner, {
      get(target, name) {
        const member: unknown = Reflect.get(name in writing ? writing : target, name);
        return typeof member === "function" ? member.bind(name in writing ? writing : target) : member;
      },
    });
  }
}

async function* each(texts: readonly string[]): AsyncGenerator<string> {
  yield* texts;
}
