/** A file that is being sent: read by position, and watched for changes, since its digest was taken before. */
import { type FileHandle, open, stat } from "node:fs/promises";
import { type Digest, hashFile } from "../files.ts";
import { SourceUnreadable } from "../registry.ts";

export class Source {
  readonly path: string;
  readonly digest: Digest;
  readonly #identity: string;

  private constructor(path: string, digest: Digest, identity: string) {
    this.path = path;
    this.digest = digest;
    this.#identity = identity;
  }

  /** Takes the digest of a file. Throws SourceUnreadable. */
  static async of(path: string, signal: AbortSignal): Promise<Source> {
    const before = await identityOf(path);
    const source = new Source(path, await hashFile(path, signal), before);
    await source.check();
    return source;
  }

  /** A file of ours whose digest is known. */
  static async known(path: string, digest: Digest): Promise<Source> {
    return new Source(path, digest, await identityOf(path));
  }

  /** Throws SourceUnreadable when the file is not what it was when its digest was taken. */
  async check(): Promise<void> {
    if ((await identityOf(this.path)) !== this.#identity) throw this.changed();
  }

  changed(): SourceUnreadable {
    return new SourceUnreadable(this.path, "it was changed while it was being read");
  }

  /** Runs `use` with the file open. */
  async open<T>(use: (handle: FileHandle) => Promise<T>): Promise<T> {
    const handle = await open(this.path, "r").catch((error: unknown) => {
      throw SourceUnreadable.from(this.path, error);
    });
    try {
      return await use(handle);
    } finally {
      await handle.close();
    }
  }

  /** Fills `into` from `position` on. Throws SourceUnreadable when the file ends before. */
  async read(handle: FileHandle, into: Buffer, position: number): Promise<void> {
    for (let filled = 0; filled < into.length; ) {
      const { bytesRead } = await handle.read(into, filled, into.length - filled, position + filled);
      if (bytesRead === 0) throw this.changed();
      filled += bytesRead;
    }
  }
}

/** What a file looks like from outside; any write changes it. */
async function identityOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    throw SourceUnreadable.from(path, error);
  }
}
