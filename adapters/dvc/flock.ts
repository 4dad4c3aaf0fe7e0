/**
 * flock(2) of a file, which Node does not offer. On Linux the command `flock` locks a file descriptor that it inherits:
 * the lock belongs to the open file, not to the process, and stays when the command ends. On macOS open(2) locks.
 */
import { spawn } from "node:child_process";
import { constants, type FileHandle, open } from "node:fs/promises";
import { DatasetFault } from "../dataset.ts";

/** O_EXLOCK | O_NONBLOCK of macOS. */
const LOCK_AT_OPEN = 0x20 | 0x4;
/** The number under which the command inherits the file. */
const INHERITED_FD = 3;

/** Opens a file, creating it, and locks it; undefined when another process holds the lock. Closing it frees the lock. */
export async function openLocked(path: string, mode: number): Promise<FileHandle | undefined> {
  // A link, which a repository can bring, would have another file written.
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  if (process.platform === "darwin") {
    try {
      return await open(path, flags | LOCK_AT_OPEN, mode);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EAGAIN") return undefined;
      throw isLink(error) ? linked(path, error) : error;
    }
  }
  const file = await open(path, flags, mode).catch((error: unknown) => {
    throw isLink(error) ? linked(path, error) : error;
  });
  try {
    if (await isGranted(file)) return file;
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return undefined;
}

function isLink(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ELOOP";
}

function linked(path: string, cause: unknown): DatasetFault {
  return new DatasetFault("invalid", `The lock ${path} is a symbolic link.`, {
    field: path,
    mend: "Remove the link when no DVC command runs.",
    cause,
  });
}

async function isGranted(file: FileHandle): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  const child = spawn("flock", ["-x", "-n", String(INHERITED_FD)], {
    stdio: ["ignore", "ignore", "ignore", file.fd],
  });
  child.once("error", (cause) => {
    reject(
      new DatasetFault("invalid", "The command flock, by which DVC repositories are locked, cannot be run.", {
        field: "PATH",
        mend: "Install util-linux or busybox on the daemon's host.",
        cause,
      }),
    );
  });
  child.once("exit", resolve);
  return (await promise) === 0;
}
