/** What a program of ours consists of, as those who build it write it down. */
import { createHash } from "node:crypto";

/** What build.ts writes beside the bundle's files, and of them. */
export const PROGRAM_FILE = "program.json";

/** What the bundle consists of. */
export interface Program {
  /** Names this content. */
  readonly digest: string;
  /** Path within the bundle to size, bytes. */
  readonly sizes: Readonly<Record<string, number>>;
}

/** What the files are, in an order of their own. */
export function programOf(files: ReadonlyMap<string, Uint8Array>): Program {
  const hash = createHash("sha256");
  const sizes: Record<string, number> = {};
  for (const [path, content] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${path}\n${content.length}\n`).update(content);
    sizes[path] = content.length;
  }
  return { digest: hash.digest("hex").slice(0, 32), sizes };
}
