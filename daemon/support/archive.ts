/** The file that a bundle is: a tar of small texts, compressed. */
import { rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { PipekitError } from "@pipekit/proto";

/** Folder in the archive. */
const FOLDER = "pkx-support";

/** Name to content. */
export type Entries = ReadonlyMap<string, string>;

/** Writes a new file of mode 0600; its size in bytes. Throws INVALID_ARGUMENT (it is there, or cannot be made), STORAGE_FULL. */
export async function writeArchive(path: string, entries: Entries): Promise<number> {
  const bytes = await promisify(gzip)(await tarOf(entries));
  try {
    await writeFile(path, bytes, { flag: "wx", mode: 0o600 });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    if (code === "EEXIST") {
      throw new PipekitError("INVALID_ARGUMENT", `${path} is there already.`, {
        field: "file",
        mend: "Name a new file.",
      });
    }
    if (code === "ENOSPC" || code === "EDQUOT") {
      await rm(path, { force: true });
      throw new PipekitError("STORAGE_FULL", `There is no room for ${path}.`, {
        field: "file",
        mend: "Name a file on another disk.",
      });
    }
    throw new PipekitError("INVALID_ARGUMENT", `${path} cannot be written (${code}).`, {
      field: "file",
      mend: "Name a file in a folder of yours.",
      cause: error,
    });
  }
  return bytes.length;
}

async function tarOf(entries: Entries): Promise<Buffer> {
  // The default export: a bundler does not see the named ones of a CommonJS package that is loaded late.
  const { pack } = (await import("tar-stream")).default;
  const tar = pack();
  for (const [name, text] of entries) tar.entry({ name: `${FOLDER}/${name}`, mode: 0o600 }, text);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
