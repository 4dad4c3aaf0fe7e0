/**
 * Paths in Git's index (gitformat-index, versions 2 to 4): a header `DIRC`, version and count; then of each file 62 bytes
 * of facts, whose last 16 bits are flags, its name, and padding; in version 4 names are told by what differs.
 */
import { existsSync, readFileSync } from "node:fs";
import { DatasetFault } from "../dataset.ts";

const HEADER_BYTES = 12;
/** From a file's beginning to its hash, behind which its flags are: ten numbers of 32 bits. */
const HASH_AT = 40;
const EXTENDED = 0x4000;

/**
 * Paths relative to the work tree, forward slashes; none when there is no index. `hashBytes`: 20 for SHA-1, 32 for SHA-256.
 * Throws DatasetFault.
 */
export function trackedPaths(file: string, hashBytes: number): ReadonlySet<string> {
  if (!existsSync(file)) return new Set();
  const bytes = readFileSync(file);
  try {
    return pathsIn(bytes, file, HASH_AT + hashBytes, hashBytes);
  } catch (error) {
    throw error instanceof RangeError ? unreadable(file) : error;
  }
}

/** Throws DatasetFault, and RangeError where bytes are missing. */
function pathsIn(bytes: Buffer, file: string, flagsAt: number, hashBytes: number): ReadonlySet<string> {
  const version = bytes.length < HEADER_BYTES ? 0 : bytes.readUInt32BE(4);
  if (bytes.toString("latin1", 0, 4) !== "DIRC" || version < 2 || version > 4) throw unreadable(file);
  const paths = new Set<string>();
  let at = HEADER_BYTES;
  let last = Buffer.alloc(0);
  for (let count = bytes.readUInt32BE(8); count > 0; count--) {
    const flags = bytes.readUInt16BE(at + flagsAt);
    let nameAt = at + flagsAt + 2 + ((flags & EXTENDED) === 0 ? 0 : 2);
    let kept = Buffer.alloc(0);
    if (version === 4) {
      const [cut, next] = readOffset(bytes, nameAt);
      kept = last.subarray(0, last.length - cut);
      nameAt = next;
    }
    const end = bytes.indexOf(0, nameAt);
    if (end < 0) throw unreadable(file);
    last = Buffer.concat([kept, bytes.subarray(nameAt, end)]);
    paths.add(last.toString("utf8"));
    at = version === 4 ? end + 1 : at + Math.floor((end - at + 8) / 8) * 8;
    if (at > bytes.length) throw unreadable(file);
  }
  // Extensions follow, a name and a length each, then a hash of all. `link` says that more files are in another index.
  while (at < bytes.length - hashBytes) {
    if (bytes.toString("latin1", at, at + 4) === "link") throw split(file);
    at += 8 + bytes.readUInt32BE(at + 4);
  }
  return paths;
}

/** A number of 7 bits a byte, highest first, of which each further byte adds one (as in pack files); and where it ends. */
function readOffset(bytes: Buffer, start: number): [number, number] {
  let at = start;
  let byte = bytes[at++] ?? 0;
  let value = byte & 0x7f;
  while ((byte & 0x80) !== 0) {
    byte = bytes[at++] ?? 0;
    value = ((value + 1) << 7) | (byte & 0x7f);
  }
  return [value, at];
}

function split(file: string): DatasetFault {
  return new DatasetFault("invalid", `Git's index ${file} is split, which is not read here.`, {
    field: file,
    mend: "Run `git update-index --no-split-index`, and `git config core.splitIndex false`.",
  });
}

function unreadable(file: string): DatasetFault {
  return new DatasetFault("invalid", `Git's index ${file} cannot be read.`, {
    field: file,
    mend: "See what `git status` says; `git update-index --index-version 2` writes it in a form that is read.",
  });
}
