/**
 * A value that is read from files and read anew when one of them changes: by a write, a rename, or a link that leads elsewhere,
 * as Kubernetes swaps secrets. A new content that cannot be used leaves the value as it was, and is told.
 */
import { statSync } from "node:fs";

/** Reads the value; calls `seen` with every file that it depends on, before it reads it. */
export type Read<T> = (seen: (file: string) => void) => Promise<T>;

export class Live<T> {
  readonly #read: Read<T>;
  #value: T;
  #signatures: ReadonlyMap<string, string>;
  #fault: Error | undefined;

  private constructor(read: Read<T>, value: T, signatures: ReadonlyMap<string, string>) {
    this.#read = read;
    this.#value = value;
    this.#signatures = signatures;
  }

  /** Throws what `read` throws. */
  static async open<T>(read: Read<T>): Promise<Live<T>> {
    const signatures = new Map<string, string>();
    const value = await read((file) => signatures.set(file, signatureOf(file)));
    return new Live(read, value, signatures);
  }

  get value(): T {
    return this.#value;
  }

  /** Why the files as they are now cannot be used; undefined when the value is theirs. */
  get fault(): Error | undefined {
    return this.#fault;
  }

  /** Looks whether a file has changed, and reads anew then. Tells what came of it: nothing, a new value, or a fault. */
  async check(): Promise<"same" | "changed" | "refused"> {
    const isSame = [...this.#signatures].every(([file, signature]) => signatureOf(file) === signature);
    if (isSame) return "same";
    // Those of before stay watched: a file that could not be read names no others.
    const signatures = new Map([...this.#signatures.keys()].map((file) => [file, signatureOf(file)]));
    try {
      const fresh = new Map<string, string>();
      this.#value = await this.#read((file) => {
        signatures.set(file, signatureOf(file));
        fresh.set(file, signatureOf(file));
      });
      this.#signatures = fresh;
      this.#fault = undefined;
      return "changed";
    } catch (error) {
      this.#signatures = signatures;
      this.#fault = error instanceof Error ? error : new Error(String(error));
      return "refused";
    }
  }
}

/** Unlike that of any other content of the file. */
function signatureOf(file: string): string {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stat === undefined
    ? "absent"
    : `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}:${stat.mode}`;
}
