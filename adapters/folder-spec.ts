/**
 * Specs that name a folder: `SCHEME:///absolute/folder[?QUERY]`. The folder is percent-encoded, so that `?`, `#`, `%`
 * and spaces in names can be written.
 */
import { normalize } from "node:path";
import { encodePath } from "./spec-query.ts";
import { SpecError } from "./tracker.ts";

/** A spec's folder (absolute, normalized, not the root) and the text after its `?`. */
export interface FolderSpec {
  readonly folder: string;
  readonly query: string;
}

/** The longest path that Linux takes, less what goes below the folder. */
const LONGEST_FOLDER = 3000;

/** Reads a spec of this scheme. Throws SpecError, whose mend shows `example`. */
export function parseFolderSpec(spec: string, scheme: string, example: string): FolderSpec {
  const mend = `Write it like \`${example}\`, with three slashes before an absolute folder.`;
  const parts = /^([a-z0-9+.-]+):\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?(#.*)?$/is.exec(spec.trim());
  if (parts === null || parts[1]?.toLowerCase() !== scheme) {
    throw new SpecError(`A spec of this kind starts with ${scheme}:/// and a folder.`, mend);
  }
  const [, , host = "", path = "", query = "", fragment = ""] = parts;
  if (host !== "") throw new SpecError(`The folder of the ${scheme} spec is not an absolute path.`, mend);
  if (fragment !== "") {
    throw new SpecError(`The ${scheme} spec has a \`#\` in it.`, "Write a # in a folder's name as %23.");
  }
  return { folder: absoluteFolder(decoded(path, scheme, mend), scheme, mend), query };
}

/** The one spelling of a spec's part before the query. */
export function formatFolderSpec(scheme: string, folder: string): string {
  return `${scheme}://${encodePath(folder)}`;
}

function decoded(path: string, scheme: string, mend: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new SpecError(`The folder of the ${scheme} spec is not percent-encoded UTF-8.`, mend);
  }
}

function absoluteFolder(path: string, scheme: string, mend: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) {
    throw new SpecError(`The folder of the ${scheme} spec holds a control character.`, mend);
  }
  if (path.split("/").includes("..")) {
    throw new SpecError(`The folder of the ${scheme} spec has a \`..\` in it.`, mend);
  }
  const folder = normalize(path).replace(/\/+$/, "");
  if (folder === "" || folder === ".") throw new SpecError(`The ${scheme} spec names no folder.`, mend);
  if (Buffer.byteLength(folder) > LONGEST_FOLDER) {
    throw new SpecError(`The folder of the ${scheme} spec is longer than ${LONGEST_FOLDER} bytes.`, mend);
  }
  return folder;
}
