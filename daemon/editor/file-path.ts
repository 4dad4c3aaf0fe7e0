import { fileURLToPath } from "node:url";

/** The path of a file on this machine; undefined for one that is only in the editor, or elsewhere. */
export function filePath(uri: string): string | undefined {
  if (!uri.startsWith("file:")) return undefined;
  try {
    return fileURLToPath(uri);
  } catch {
    return undefined;
  }
}
