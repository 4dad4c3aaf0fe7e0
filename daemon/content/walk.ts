/** What a path to be ingested consists of. */
import { readdir, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { PipekitError } from "@pipekit/proto";

/** A file to ingest. */
export interface FoundFile {
  /** Relative to the ingested folder, forward slashes; empty for a single file. */
  readonly path: string;
  /** Where its bytes are, symbolic links resolved. */
  readonly source: string;
}

export interface Found {
  readonly files: readonly FoundFile[];
  /** True when symbolic links were followed, so that two files may be one. */
  readonly linked: boolean;
}

/**
 * Lists the regular files of a file or folder, sorted by path. Links inside a folder are followed as long as they stay
 * in it. Throws ARTIFACT_UNREADABLE for what cannot be read: a link that leads out, in a circle or nowhere, a pipe.
 */
export async function findFiles(path: string, signal: AbortSignal): Promise<Found> {
  const root = await resolve(path);
  if ((await look(root)).isFile()) return { files: [{ path: "", source: root }], linked: false };
  const files: FoundFile[] = [];
  let linked = false;

  const visit = async (folder: string, relative: string, above: readonly string[]): Promise<void> => {
    for (const entry of await entriesOf(folder)) {
      signal.throwIfAborted();
      const shown = relative === "" ? entry.name : `${relative}/${entry.name}`;
      let source = join(folder, entry.name);
      if (entry.isSymbolicLink()) {
        linked = true;
        source = await resolve(source);
        if (source !== root && !source.startsWith(root + sep)) {
          throw unreadable(join(path, shown), "it is a link that leads out of the folder");
        }
      }
      const info = await look(source);
      if (info.isFile()) {
        files.push({ path: shown, source });
      } else if (!info.isDirectory()) {
        throw unreadable(join(path, shown), "it is neither a file nor a folder");
      } else if (above.includes(source)) {
        throw unreadable(join(path, shown), "it is a link that leads in a circle");
      } else {
        await visit(source, shown, [...above, source]);
      }
    }
  };
  await visit(root, "", [root]);
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { files, linked };
}

/** The failure for a path of the client that cannot be read. `reason` is half a sentence. */
export function unreadable(path: string, reason: string, cause?: unknown): PipekitError {
  return new PipekitError("ARTIFACT_UNREADABLE", `${path} cannot be read: ${reason}.`, {
    field: path,
    mend: "Give an absolute path that the daemon's user can read on the daemon's host.",
    cause,
  });
}

async function resolve(path: string): Promise<string> {
  return realpath(path).catch((error: unknown) => {
    throw systemFault(path, error);
  });
}

async function look(path: string): ReturnType<typeof stat> {
  return stat(path).catch((error: unknown) => {
    throw systemFault(path, error);
  });
}

async function entriesOf(folder: string) {
  return readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw systemFault(folder, error);
  });
}

function systemFault(path: string, error: unknown): PipekitError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const reason =
    code === "ENOENT"
      ? "it does not exist"
      : code === "EACCES"
        ? "permission is denied"
        : code === "ELOOP"
          ? "its links lead in a circle"
          : `the system says ${code || String(error)}`;
  return unreadable(path, reason, error);
}
