/** Reads files that a stranger may have put into a workspace: a pipe, a device or a link to one lies there under any name. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";

/** The first bytes of a regular file as UTF-8; undefined for what is none, or cannot be read. Never waits for a writer. */
export async function readStart(path: string, mostBytes: number): Promise<string | undefined> {
  try {
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await handle.stat();
    if (!found.isFile()) return undefined;
    // Of a file that grows, or has no end, no more is read than it said.
    const bytes = Buffer.alloc(Math.min(found.size, mostBytes));
    let filled = 0;
    while (filled < bytes.length) {
      const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.toString("utf8", 0, filled);
  } catch {
    return undefined;
  }
}
