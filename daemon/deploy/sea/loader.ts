/**
 * What the single executable starts: puts the bundle that it carries into a folder of the user's and starts it from there.
 * Worker threads, late imports and .proto files are files to Node, so that the bundle must lie on a disk; once it does, a
 * start reads it and writes nothing.
 *
 * A file in that folder is used only when it is, byte for byte, the one in the executable: a damaged one is replaced
 * beside whoever uses it. Each version has a folder of its own.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { getAsset, getRawAsset } from "node:sea";
import type { Program } from "../../program/content.ts";
import { ensureOwn, programFolders, replaceFile } from "../../program/folders.ts";

/** What build.ts says of the files that it puts in. */
const program: Program = JSON.parse(getAsset("manifest.json", "utf8"));
const folder = unpack();
// From a file, because the code of an executable can import only what is built into Node.
createRequire(join(folder, "start.cjs"))("./start.cjs");

/** The folder of the bundle, whole. Tries the user's cache, then the folder for temporary files. */
function unpack(): string {
  const failures: string[] = [];
  for (const base of programFolders()) {
    const place = join(base, program.digest);
    try {
      ensureOwn(base);
      for (const file of Object.keys(program.sizes)) restore(place, file);
      return place;
    } catch (error) {
      failures.push(`  ${place}: ${error instanceof Error ? error.message : error}`);
    }
  }
  process.stderr.write(
    `pkx: the program cannot be unpacked; it needs 6 MB in one of these folders:\n${failures.join("\n")}\n` +
      "  Set XDG_CACHE_HOME or TMPDIR to a folder that you may write.\n",
  );
  process.exit(1);
}

/** Makes a file what it is in the executable. */
function restore(place: string, file: string): void {
  const wanted = new Uint8Array(getRawAsset(file));
  const path = join(place, file);
  try {
    if (readFileSync(path).equals(wanted)) return;
  } catch {
    // Not there, or not readable: made anew.
  }
  replaceFile(path, (fresh) => writeFileSync(fresh, wanted, { mode: 0o600 }));
}
