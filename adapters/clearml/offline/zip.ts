/**
 * Writes zip files: entries stored or deflated, streamed, of any size (ZIP64 where a size or a count needs it). Node has
 * the compression and the CRC, and no zip.
 */

import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { crc32, createDeflateRaw } from "node:zlib";

/** A file for a zip. */
export interface ZipSource {
  /** Path in the zip, with slashes. */
  readonly name: string;
  readonly path: string;
  /** False for what would not become smaller. */
  readonly compress: boolean;
}

interface Entry {
  readonly name: Buffer;
  readonly method: number;
  readonly offset: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
}

const STORED = 0;
const DEFLATED = 8;
/** 1980-01-01, the first date there is, so that equal contents make equal zips. */
const DOS_DATE = 0x21;
const UTF8_NAMES = 0x0800;
const VERSION = 45;
const MAX_32 = 0xffff_ffff;
const MAX_16 = 0xffff;
/** Fast, and within some percent of the best for repetitive JSON. */
const LEVEL = 3;

/** Writes the new or replaced file `target`, durable when it resolves. Throws faults of the file system. */
export async function writeZip(
  target: string,
  sources: readonly ZipSource[],
  signal: AbortSignal,
): Promise<void> {
  const file = await open(target, "w", 0o666);
  try {
    const entries: Entry[] = [];
    let offset = 0;
    for (const source of sources) {
      const entry = await writeEntry(file, offset, source, signal);
      entries.push(entry);
      offset += localHeader(entry).length + entry.packed;
    }
    await writeAll(file, directory(entries, offset), offset);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeEntry(
  file: FileHandle,
  offset: number,
  source: ZipSource,
  signal: AbortSignal,
): Promise<Entry> {
  const name = Buffer.from(source.name);
  const method = source.compress ? DEFLATED : STORED;
  let entry: Entry = { name, method, offset, crc: 0, packed: 0, size: 0 };
  const start = offset + localHeader(entry).length;
  let { crc, packed, size } = entry;
  const counted = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      crc = crc32(chunk, crc);
      size += chunk.length;
      yield chunk;
    }
  };
  const written = async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      await writeAll(file, chunk, start + packed);
      packed += chunk.length;
    }
  };
  const input = createReadStream(source.path, { highWaterMark: 256 * 1024 });
  if (source.compress)
    await pipeline(input, counted, createDeflateRaw({ level: LEVEL }), written, { signal });
  else await pipeline(input, counted, written, { signal });
  entry = { ...entry, crc, packed, size };
  await writeAll(file, localHeader(entry), offset);
  return entry;
}

/** Of one length whatever the sizes are, since it is written before they are known: the ZIP64 field is always there. */
function localHeader({ name, method, crc, packed, size }: Entry): Buffer {
  const header = Buffer.alloc(30 + name.length + 20);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(VERSION, 4);
  header.writeUInt16LE(UTF8_NAMES, 6);
  header.writeUInt16LE(method, 8);
  header.writeUInt16LE(DOS_DATE, 12);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(MAX_32, 18);
  header.writeUInt32LE(MAX_32, 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(20, 28);
  name.copy(header, 30);
  zip64Field([size, packed]).copy(header, 30 + name.length);
  return header;
}

function directory(entries: readonly Entry[], offset: number): Buffer {
  const headers = entries.map(centralHeader);
  const size = headers.reduce((sum, header) => sum + header.length, 0);
  return Buffer.concat([...headers, directoryEnd(entries.length, offset, size)]);
}

function centralHeader({ name, method, offset, crc, packed, size }: Entry): Buffer {
  const extra = zip64Field([size, packed, offset]);
  const header = Buffer.alloc(46 + name.length + extra.length);
  header.writeUInt32LE(0x02014b50, 0);
  // Made by Unix, so that the mode below counts.
  header.writeUInt16LE((3 << 8) | VERSION, 4);
  header.writeUInt16LE(VERSION, 6);
  header.writeUInt16LE(UTF8_NAMES, 8);
  header.writeUInt16LE(method, 10);
  header.writeUInt16LE(DOS_DATE, 14);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(MAX_32, 20);
  header.writeUInt32LE(MAX_32, 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(0o100644 * 0x10000, 38);
  header.writeUInt32LE(MAX_32, 42);
  name.copy(header, 46);
  extra.copy(header, 46 + name.length);
  return header;
}

function zip64Field(values: readonly number[]): Buffer {
  const field = Buffer.alloc(4 + values.length * 8);
  field.writeUInt16LE(1, 0);
  field.writeUInt16LE(values.length * 8, 2);
  for (const [index, value] of values.entries()) field.writeBigUInt64LE(BigInt(value), 4 + index * 8);
  return field;
}

/** The ZIP64 end, its locator, and the end for readers that know no ZIP64. */
function directoryEnd(count: number, offset: number, size: number): Buffer {
  const end = Buffer.alloc(56 + 20 + 22);
  end.writeUInt32LE(0x06064b50, 0);
  end.writeBigUInt64LE(44n, 4);
  end.writeUInt16LE((3 << 8) | VERSION, 12);
  end.writeUInt16LE(VERSION, 14);
  end.writeBigUInt64LE(BigInt(count), 24);
  end.writeBigUInt64LE(BigInt(count), 32);
  end.writeBigUInt64LE(BigInt(size), 40);
  end.writeBigUInt64LE(BigInt(offset), 48);
  end.writeUInt32LE(0x07064b50, 56);
  end.writeBigUInt64LE(BigInt(offset + size), 64);
  end.writeUInt32LE(1, 72);
  end.writeUInt32LE(0x06054b50, 76);
  end.writeUInt16LE(Math.min(count, MAX_16), 84);
  end.writeUInt16LE(Math.min(count, MAX_16), 86);
  end.writeUInt32LE(Math.min(size, MAX_32), 88);
  end.writeUInt32LE(Math.min(offset, MAX_32), 92);
  return end;
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
