/**
 * DVC 2's hash of a file: MD5 with the line ends of text changed, `\r\n` to `\n` in each MiB for itself. What counts as text
 * is told by the first 512 bytes of that MiB (dvc_data/hashfile/hash.py and istextfile.py).
 */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";

const CHUNK_BYTES = 1024 * 1024;
/** So many bytes of a part tell whether it is text. */
const LOOKED_AT = 512;
/** More of other bytes than printable ASCII and `\n\r\t\f\b` mean that it is no text. */
const MOST_OTHERS = 0.3;
const TEXT = new Set([...Array.from({ length: 95 }, (_, i) => 32 + i), 10, 13, 9, 12, 8]);

/** Lowercase hex. Throws what the system says. */
export async function legacyMd5OfFile(path: string): Promise<string> {
  const hash = createHash("md5");
  const handle = await open(path, "r");
  try {
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    for (;;) {
      const chunk = await fill(handle, buffer);
      if (chunk.length === 0) return hash.digest("hex");
      hash.update(legacyPart(chunk));
    }
  } finally {
    await handle.close();
  }
}

/** The next MiB, or what is left of the file. */
async function fill(handle: Awaited<ReturnType<typeof open>>, buffer: Buffer): Promise<Buffer> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, null);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** What of a MiB of a file goes into its hash: of text the bytes with each CR LF made LF. */
export function legacyPart(chunk: Buffer): Buffer {
  if (!isText(chunk.subarray(0, LOOKED_AT))) return chunk;
  // Latin-1 keeps each byte as it is.
  return Buffer.from(chunk.toString("latin1").replaceAll("\r\n", "\n"), "latin1");
}

/** Whether a block is text, by its first bytes. */
function isText(block: Buffer): boolean {
  if (block.includes(0)) return false;
  return block.reduce((others, byte) => others + (TEXT.has(byte) ? 0 : 1), 0) / block.length <= MOST_OTHERS;
}
