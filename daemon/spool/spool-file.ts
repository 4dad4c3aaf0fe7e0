/** Reads the spool file of a writer: frames that it put on disk while no daemon answered. */
import type { FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { ENTRY_HEADER_BYTES, frameLength, type KeptFrame, readEntry } from "./entries.ts";
import { openRegular, readAt } from "./file.ts";
import { lockHolder } from "./lock-holder.ts";
import { OWNER_BYTES, type Owner, readOwner } from "./owner.ts";

const MAGIC = Buffer.from("PKXSPL2\n", "latin1");
/** Of clients of journal version 1: entries follow at once, and the lock on the file is all that tells of an owner. */
const MAGIC_1 = Buffer.from("PKXSPL1\n", "latin1");
const CRC_AT = MAGIC.length + OWNER_BYTES;
const FIRST_ENTRY = CRC_AT + 8;

/** An open spool file. */
export class SpoolFile {
  readonly owner: Owner;
  readonly #file: FileHandle;
  readonly #size: number;
  readonly #firstEntry: number;
  /** Bytes behind the last whole entry, once `frames` has come to its end. */
  tornBytes = 0;

  private constructor(file: FileHandle, owner: Owner, size: number, firstEntry: number) {
    this.#file = file;
    this.owner = owner;
    this.#size = size;
    this.#firstEntry = firstEntry;
  }

  /** Undefined when the file is gone or has no whole header. Rejects when it cannot be read. */
  static async open(path: string): Promise<SpoolFile | undefined> {
    const file = await openRegular(path);
    if (file === undefined) return undefined;
    try {
      const { size, ino } = await file.stat();
      const header = await readAt(file, 0, FIRST_ENTRY);
      if (header.subarray(0, MAGIC_1.length).equals(MAGIC_1)) {
        const owner = { pid: await lockHolder(ino), startTicks: 0, namespace: 0, boot: "" };
        return new SpoolFile(file, owner, size, MAGIC_1.length);
      }
      const intact = header.length === FIRST_ENTRY && header.subarray(0, MAGIC.length).equals(MAGIC);
      if (intact && crc32(header.subarray(0, CRC_AT)) === header.readUInt32LE(CRC_AT)) {
        return new SpoolFile(file, readOwner(header, MAGIC.length), size, FIRST_ENTRY);
      }
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return undefined;
  }

  /** Whole frames whose numbers rise; damage ends them. */
  async *frames(): AsyncGenerator<KeptFrame> {
    let offset = this.#firstEntry;
    let last = 0;
    while (true) {
      const header = await readAt(this.#file, offset, ENTRY_HEADER_BYTES);
      const length = frameLength(header, 0);
      if (length === undefined) break;
      const bytes = await readAt(this.#file, offset, ENTRY_HEADER_BYTES + length);
      const entry = readEntry(bytes, 0);
      if (entry === undefined) break;
      offset += bytes.length;
      if (entry.seq <= last) continue;
      last = entry.seq;
      yield entry;
    }
    this.tornBytes = Math.max(0, this.#size - offset);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
