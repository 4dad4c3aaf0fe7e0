/**
 * What is remembered of files whose digest was checked, across restarts: what each looked like, and when it was last used.
 *
 * One file of lines, each with a checksum; a later line of a path replaces an earlier one. It is only ever appended to, or
 * replaced whole. Nothing relies on it: of what is lost or damaged the files are hashed once more. Several processes may
 * use one file; what they write at the same moment as another makes it short again may be lost.
 */
import { randomUUID } from "node:crypto";
import { appendFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";

export interface Remembered {
  /** What the file looked like, see `identity`. */
  readonly seen: string;
  /** Its digest when it looked like that. */
  readonly sha256: string;
  /** Unix milliseconds of its last use, to a minute. */
  readonly usedAtMs: number;
}

/** Files remembered; beyond, the one not used for longest is forgotten. */
const MAX_REMEMBERED = 10_000;
/** Lines without use that the file may have besides as many as it has entries. */
const MAX_SPARE_LINES = 1000;
/** Uses closer together than this are one. */
export const USE_GRAIN_MS = 60_000;

export class FileMemory {
  readonly #file: string | undefined;
  #entries: Promise<Map<string, Remembered>> | undefined;
  #lines = 0;
  #writes: Promise<void> = Promise.resolve();

  /** Without a file it lasts as long as the object. */
  constructor(file?: string) {
    this.#file = file;
  }

  async find(path: string): Promise<Remembered | undefined> {
    return (await this.#loaded()).get(path);
  }

  /** Remembers what the file looks like now. */
  async note(path: string, seen: string, sha256: string): Promise<void> {
    await this.#set(path, { seen, sha256, usedAtMs: Date.now() });
  }

  /** Remembers that the file was used now, if it is known. */
  async use(path: string): Promise<void> {
    const known = await this.find(path);
    if (known === undefined || Date.now() - known.usedAtMs < USE_GRAIN_MS) return;
    await this.#set(path, { ...known, usedAtMs: Date.now() });
  }

  async forget(path: string): Promise<void> {
    if (!(await this.#loaded()).delete(path)) return;
    await this.#append(lineOf(path, { seen: "", sha256: "", usedAtMs: 0 }));
  }

  /** Takes in what other processes have written. */
  async reload(): Promise<void> {
    await this.#writes;
    if (this.#file !== undefined) this.#entries = undefined;
  }

  #loaded(): Promise<Map<string, Remembered>> {
    this.#entries ??= this.#load();
    return this.#entries;
  }

  async #load(): Promise<Map<string, Remembered>> {
    const entries = new Map<string, Remembered>();
    if (this.#file === undefined) return entries;
    const text = await readFile(this.#file, "utf8").catch(() => "");
    const lines = text.split("\n").filter((line) => line !== "");
    this.#lines = lines.length;
    for (const line of lines) {
      const [path, entry] = readLine(line) ?? [];
      if (path !== undefined && entry !== undefined) put(entries, path, entry);
    }
    return entries;
  }

  async #set(path: string, entry: Remembered): Promise<void> {
    put(await this.#loaded(), path, entry);
    await this.#append(lineOf(path, entry));
  }

  /** Writes come one after the other. One that fails costs what is said at the top. */
  #append(line: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#writes;
    this.#writes = promise;
    return before
      .then(() => this.#write(line))
      .catch(() => undefined)
      .finally(resolve);
  }

  async #write(line: string): Promise<void> {
    if (this.#file === undefined) return;
    const entries = await this.#loaded();
    if (this.#lines > 2 * entries.size + MAX_SPARE_LINES) return this.#rewrite(this.#file, entries);
    this.#lines += 1;
    // The newline comes first, so that a line which was cut off spoils no other.
    const append = () => appendFile(this.#file as string, `\n${line}`, { mode: 0o600 });
    await append().catch(async () => {
      await mkdir(dirname(this.#file as string), { recursive: true, mode: 0o700 });
      await append();
    });
  }

  async #rewrite(file: string, entries: ReadonlyMap<string, Remembered>): Promise<void> {
    const temp = `${file}.${randomUUID()}`;
    try {
      await writeFile(temp, [...entries].map(([path, entry]) => `\n${lineOf(path, entry)}`).join(""), {
        mode: 0o600,
      });
      await rename(temp, file);
      this.#lines = entries.size;
    } finally {
      await rm(temp, { force: true });
    }
  }
}

/** Puts the entry last, as the one used last. */
function put(entries: Map<string, Remembered>, path: string, entry: Remembered): void {
  entries.delete(path);
  if (entry.seen === "") return;
  const [oldest] = entries.keys();
  if (entries.size >= MAX_REMEMBERED && oldest !== undefined) entries.delete(oldest);
  entries.set(path, entry);
}

function lineOf(path: string, { seen, sha256, usedAtMs }: Remembered): string {
  const text = JSON.stringify([path, seen, sha256, usedAtMs]);
  return `${checksum(text)} ${text}`;
}

/** Undefined for a line that is damaged. */
function readLine(line: string): [string, Remembered] | undefined {
  const text = line.slice(9);
  if (line.slice(0, 9) !== `${checksum(text)} `) return undefined;
  const [path, seen, sha256, usedAtMs] = JSON.parse(text) as [string, string, string, number];
  return [path, { seen, sha256, usedAtMs }];
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
