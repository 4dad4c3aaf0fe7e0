import { lstatSync, mkdirSync, type Stats, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type Env, NAME, runtimeFolder, socketPath, stateFolder, xdg } from "@pipekit/experiment/folders";
import { PipekitError } from "@pipekit/proto";

export type { Env };

/** Longest path a unix socket can be bound to, bytes (sun_path less its final NUL, on Linux). */
const MAX_SOCKET_PATH_BYTES = 107;

/** Where things lie by environment and default; absolute paths. ARCHITECTURE.md has the table. */
export interface Folders {
  readonly stateFolder: string;
  readonly runtimeFolder: string;
  readonly configFile: string;
}

/** The folders that the environment asks for. Pure: touches no file. */
export function foldersOf(env: Env, home = homedir(), uid = process.getuid?.() ?? 0): Folders {
  const configBase = xdg(env["XDG_CONFIG_HOME"]) ?? join(home, ".config");
  return {
    stateFolder: stateFolder(env, home),
    runtimeFolder: runtimeFolder(env, uid),
    configFile: resolve(env["PKX_CONFIG"] || join(configBase, NAME, "config.yaml")),
  };
}

/** What lies in the state folder; absolute paths. */
export interface StateLayout {
  readonly lockFile: string;
  readonly journalFile: string;
  /** Who asked for what: JSON lines, chained by digests. */
  readonly auditFolder: string;
  /** Pid and endpoint of the daemon that holds the lock, JSON. */
  readonly infoFile: string;
  readonly logFile: string;
  readonly modelsFolder: string;
  readonly stagingFolder: string;
  /** What can be fetched again: weights of registries that are not on this host. */
  readonly cacheFolder: string;
  /** Frames that clients wrote while no daemon answered, `<writer_id>.frames`; the clients make it. */
  readonly spoolFolder: string;
}

export function stateLayout(stateFolder: string): StateLayout {
  return {
    lockFile: join(stateFolder, "daemon.lock"),
    journalFile: join(stateFolder, "journal.db"),
    auditFolder: join(stateFolder, "audit"),
    infoFile: join(stateFolder, "daemon.json"),
    logFile: join(stateFolder, "logs/daemon.log"),
    modelsFolder: join(stateFolder, "models"),
    stagingFolder: join(stateFolder, "staging"),
    cacheFolder: join(stateFolder, "cache"),
    spoolFolder: join(stateFolder, "spool"),
  };
}

/**
 * The socket of the daemon of a state folder. The state folder's real path counts; it need not exist yet.
 * Throws PipekitError UNSAFE_FOLDER when the path is too long to be bound.
 */
export function socketPathOf(runtimeFolder: string, stateFolder: string): string {
  const path = socketPath(runtimeFolder, stateFolder);
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    throw new PipekitError(
      "UNSAFE_FOLDER",
      `The socket path ${path} has ${bytes} bytes; a unix socket takes at most ${MAX_SOCKET_PATH_BYTES}.`,
      {
        field: runtimeFolder,
        mend: `Choose a shorter runtime folder: set PKX_RUNTIME_DIR, such as /tmp/pkx-${process.getuid?.() ?? 0}.`,
      },
    );
  }
  return path;
}

/**
 * Makes a folder of mode 0700, or checks that it is one: owned by this user, closed to group and others.
 * Throws PipekitError UNSAFE_FOLDER that names path, owner, mode and the command that mends it.
 */
export function ensurePrivateFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(path, error);
  }
  const uid = process.getuid?.() ?? 0;
  const link = lstatSync(path);
  const folder = statSync(path);
  if (link.isSymbolicLink() && link.uid !== uid && link.uid !== 0) {
    throw unsafe(path, link, `is a link made by user ${link.uid}`, `Remove it: rm ${quote(path)}`);
  }
  if (folder.uid !== uid) {
    const mend = `Choose another folder, or make it yours: sudo chown -R ${uid} ${quote(path)}`;
    throw unsafe(path, folder, `belongs to user ${folder.uid} and not to you (user ${uid})`, mend);
  }
  if ((folder.mode & 0o077) !== 0) {
    throw unsafe(path, folder, "is open to other users", `Close it: chmod 700 ${quote(path)}`);
  }
}

function unsafe(path: string, stat: Stats, fault: string, mend: string): PipekitError {
  const mode = (stat.mode & 0o7777).toString(8).padStart(4, "0");
  const message = `The folder ${path} ${fault} (owner ${stat.uid}, mode ${mode}).`;
  return new PipekitError("UNSAFE_FOLDER", message, { field: path, mend });
}

function unusable(path: string, cause: unknown): PipekitError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
  const fault =
    code === "EEXIST" || code === "ENOTDIR" ? "is in the way of a file" : `cannot be made (${code})`;
  return new PipekitError("UNSAFE_FOLDER", `The folder ${path} ${fault}.`, {
    field: path,
    mend: "Choose another folder with PKX_STATE_DIR or PKX_RUNTIME_DIR, or mend its parent.",
    cause,
  });
}

function quote(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
