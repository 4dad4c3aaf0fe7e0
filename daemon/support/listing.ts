/** Which files lie in the folders of a daemon: names, sizes, modes and times, no content. */
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Redactor } from "./redactor.ts";

/** Files of a folder that are told one by one. */
const MOST = 200;
/** Folders in the state folder whose files are told: the names of the others are hashes and tags. */
const TOLD = /^(?:logs|audit|spool(?:-[\da-f]+)?|.+\.rings)$/;

/** A file or folder. */
export interface Listed {
  readonly path: string;
  readonly kind: "file" | "folder" | "link" | "socket" | "other";
  readonly bytes: number;
  /** Octal. */
  readonly mode: string;
  readonly uid: number;
  /** ISO 8601. */
  readonly changed: string;
  /** What is in a folder whose files are not told, or not all. */
  readonly entries?: number;
}

export function listing(folder: string, redactor: Redactor): Listed[] {
  return namesIn(folder)
    .slice(0, MOST)
    .flatMap((name) => {
      const path = join(folder, name);
      const listed = entryAt(path, redactor);
      if (listed === undefined) return [];
      if (listed.kind !== "folder") return [listed];
      const inside = namesIn(path);
      const told = TOLD.test(name) ? inside.slice(0, MOST) : [];
      return [
        { ...listed, entries: inside.length },
        ...told.flatMap((each) => entryAt(join(path, each), redactor) ?? []),
      ];
    });
}

function entryAt(path: string, redactor: Redactor): Listed | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const kind = stat.isDirectory()
    ? "folder"
    : stat.isFile()
      ? "file"
      : stat.isSymbolicLink()
        ? "link"
        : stat.isSocket()
          ? "socket"
          : "other";
  return {
    path: redactor.text(path),
    kind,
    bytes: stat.size,
    mode: (stat.mode & 0o7777).toString(8),
    uid: stat.uid,
    changed: stat.mtime.toISOString(),
  };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
