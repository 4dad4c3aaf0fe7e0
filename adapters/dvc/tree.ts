/**
 * The files of a data set as DVC counts them: those below a folder that `.dvcignore` leaves in. A link to a file stands
 * for the file; a link to a folder is passed over, as Python's `os.walk` does (dvc_data/hashfile/build.py).
 */
import { lstatSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatasetFault } from "../dataset.ts";
import { isSameStamp, type Stamp, stampOf } from "./digest-file.ts";
import type { Ignored } from "./ignored.ts";
import { unreadable } from "./unreadable.ts";

/** A file of a data set. */
export interface DataFile {
  /** Relative to the data set's folder, forward slashes; empty when the data set is a file. */
  readonly relpath: string;
  readonly path: string;
  /** Of the file that a link leads to. */
  readonly stamp: Stamp;
  /** Permission bits. */
  readonly mode: number;
  readonly isLink: boolean;
  readonly links: number;
}

export interface DataTree {
  readonly isFolder: boolean;
  readonly files: readonly DataFile[];
  /** Folders below, relative, each before those in it. */
  readonly folders: readonly string[];
  /** Links to folders, relative; what they lead to is no part of the data. */
  readonly folderLinks: readonly string[];
}

/** Looks at data; undefined when there is none. Throws DatasetFault `unreadable`, `invalid` for a `.dvcignore` in it. */
export function readTree(path: string, ignored: Ignored | undefined): DataTree | undefined {
  const root = look(path);
  if (root === undefined) return undefined;
  if (!root.isDirectory())
    return { isFolder: false, files: [dataFile("", path)], folders: [], folderLinks: [] };
  const files: DataFile[] = [];
  const folders: string[] = [];
  const folderLinks: string[] = [];
  const visit = (folder: string, above: string): void => {
    for (const entry of entriesOf(folder)) {
      const [full, relpath] = [join(folder, entry.name), above + entry.name];
      if (entry.isDirectory()) {
        if (ignored?.has(full, true)) continue;
        folders.push(relpath);
        visit(full, `${relpath}/`);
      } else if (entry.isSymbolicLink() && look(full)?.isDirectory()) {
        folderLinks.push(relpath);
      } else if (!ignored?.has(full, false)) {
        if (entry.name === ".dvcignore") throw ignoreFileInside(full);
        files.push(dataFile(relpath, full));
      }
    }
  };
  visit(path, "");
  return { isFolder: true, files, folders, folderLinks };
}

/** The stamp of a file now, or of the one that a link leads to. Throws DatasetFault `unreadable`. */
export function stampAt(path: string): Stamp {
  try {
    return stampOf(statSync(path, { bigint: true }));
  } catch (error) {
    throw systemFault(path, error);
  }
}

/** Whether a file is as it was. Its ctime does not tell where it may have other names, which come and go. */
export function isUntouched({ path, stamp, isLink, links }: DataFile): boolean {
  const now = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (now === undefined) return false;
  const seen = isLink || links > 1 ? { ...stamp, changedNs: now.ctimeNs } : stamp;
  return isSameStamp(stampOf(now), seen);
}

function dataFile(relpath: string, path: string): DataFile {
  try {
    const own = lstatSync(path, { bigint: true });
    const info = own.isSymbolicLink() ? statSync(path, { bigint: true }) : own;
    if (!info.isFile()) throw unreadable(path, "ENOTSUP");
    return {
      relpath,
      path,
      stamp: stampOf(info),
      mode: Number(info.mode) & 0o7777,
      isLink: own.isSymbolicLink(),
      links: Number(info.nlink),
    };
  } catch (error) {
    throw systemFault(path, error);
  }
}

function look(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw systemFault(path, error);
  }
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw systemFault(folder, error);
  }
}

function systemFault(path: string, error: unknown): unknown {
  if (error instanceof DatasetFault || !(error instanceof Error) || !("code" in error)) return error;
  return unreadable(path, String(error.code), error);
}

function ignoreFileInside(path: string): DatasetFault {
  return new DatasetFault("invalid", `${path} lies in the data; DVC takes no ignore file there.`, {
    field: path,
    mend: "Move its lines to a .dvcignore above the data.",
  });
}
