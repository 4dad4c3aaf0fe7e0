/** Finds and starts the daemon: a detached process of its own, found again by every later client. */
import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
} from "node:fs";
import { createRequire } from "node:module";
import { createConnection } from "node:net";
import { homedir, tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { ErrorCode, type FailureCode, PipekitError } from "@pipekit/proto";
import { isNative, isSingleExecutable } from "./executable.ts";
import type { Env } from "./folders.ts";

/** A daemon that was started and does not answer yet. */
export interface StartingDaemon {
  /** Whether its process is gone. */
  readonly gone: () => boolean;
  /** Why it cannot serve, in its own words; undefined while it lives and when it ended well. */
  readonly fault: () => PipekitError | undefined;
  /** Lets go of it. */
  release(): void;
}

/**
 * Starts the daemon of a state folder, detached. Throws PipekitError DAEMON_UNAVAILABLE when no Node or no daemon
 * program is found.
 */
export function launchDaemon(state: string, runtime: string, env: Env): StartingDaemon {
  // The socket's name is made of the folder's real path, which only a folder that exists has.
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const [command, ...args] = daemonCommand(env);
  const errors = unnamedFile();
  const child = spawn(command, [...args, "serve", "--state-dir", state, "--runtime-dir", runtime], {
    cwd: homedir(),
    detached: true,
    env: { ...env },
    stdio: ["ignore", "ignore", errors],
  });
  let exit: number | string | undefined;
  child.once("error", (error) => {
    exit = error.message;
  });
  child.once("exit", (code, signal) => {
    exit = code ?? signal ?? "unknown";
  });
  child.unref();
  return {
    gone: () => exit !== undefined,
    fault: () => (exit === undefined || exit === 0 ? undefined : startFault(exit, beginning(errors))),
    release: () => closeSync(errors),
  };
}

/** A file without a name, for what the daemon says when it cannot serve: a pipe would break when this process ends. */
function unnamedFile(): number {
  const folder = mkdtempSync(join(tmpdir(), "pkx-start-"));
  try {
    return openSync(join(folder, "stderr"), "wx+", 0o600);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The first 64 KiB. The file's position is the child's too, so that it is given. */
function beginning(file: number): string {
  const bytes = Buffer.alloc(64 * 1024);
  return bytes.toString("utf8", 0, readSync(file, bytes, 0, bytes.length, 0));
}

function startFault(exit: number | string, stderr: string): PipekitError {
  const told =
    /^pkx serve: (?<message>.+) \[(?<code>[A-Z_]+)(?:: (?<field>.+))?\](?:\n {2}(?<mend>.+))?$/m.exec(
      stderr,
    )?.groups;
  if (told?.["message"] !== undefined && isFailureCode(told["code"])) {
    return new PipekitError(told["code"], `The daemon cannot start: ${told["message"]}`, {
      field: told["field"] ?? "",
      mend: told["mend"] ?? "",
    });
  }
  const [line = ""] = stderr.replace(/^pkx serve: /, "").split("\n");
  return new PipekitError(
    "DAEMON_UNAVAILABLE",
    `The daemon ended at its start (${exit}): ${line.slice(0, 300)}`,
    {
      mend: "Run `pkx serve` in a terminal to see why, or `pkx doctor`.",
      cause: new Error(stderr.slice(-4000)),
    },
  );
}

function isFailureCode(code: string | undefined): code is FailureCode {
  return code !== undefined && `ERROR_CODE_${code}` in ErrorCode;
}

/** The command line that runs `pkx`, without its arguments. */
export function daemonCommand(env: Env): [string, ...string[]] {
  const program = daemonProgram(env);
  // The single executable brings its own Node.
  if (isNative(program)) return [program];
  return [nodeProgram(env), "--disable-warning=ExperimentalWarning", program];
}

function nodeProgram(env: Env): string {
  const named = env["PKX_NODE"];
  if (named) return named;
  const major = Number(process.versions.node.split(".")[0]);
  const plainNode = !("electron" in process.versions) && !("bun" in process.versions);
  if (plainNode && major >= 24) return process.execPath;
  const found = (env["PATH"] ?? "").split(delimiter).find((folder) => existsSync(join(folder, "node")));
  if (found !== undefined) return join(found, "node");
  throw new PipekitError("DAEMON_UNAVAILABLE", "No Node 24 is found to run the daemon with.", {
    field: "PKX_NODE",
    mend: "Set PKX_NODE to the path of a Node 24 program, or put one on PATH.",
  });
}

function daemonProgram(env: Env): string {
  const named = env["PKX_DAEMON"];
  if (!named && isSingleExecutable()) return process.execPath;
  const here = import.meta.dirname;
  // Beside the bundled client, in a package's own folder, or in a checkout of the sources.
  const usual = [
    join(here, "pkx.mjs"),
    resolve(here, "../daemon/pkx.mjs"),
    resolve(here, "../../../daemon/main.ts"),
  ];
  const program = (named ? [resolve(named)] : usual).find((path) => existsSync(path)) ?? installedDaemon();
  if (program !== undefined) return program;
  throw new PipekitError("DAEMON_UNAVAILABLE", `No daemon program is at ${named ?? usual[0]}.`, {
    field: "PKX_DAEMON",
    mend: "Set PKX_DAEMON to the path of pkx.mjs, or of the single executable.",
  });
}

/** The daemon of the package that npm installs along with this one. */
function installedDaemon(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve("@pipekit/daemon/pkx.mjs");
  } catch {
    return undefined;
  }
}

/** Whether something accepts connections on a unix socket. */
export function accepts(path: string): Promise<boolean> {
  return new Promise((fulfil) => {
    const socket = createConnection(path);
    const settle = (alive: boolean) => {
      socket.destroy();
      fulfil(alive);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}

/** Throws PipekitError UNSAFE_FOLDER when another user could answer in the daemon's place. */
export function checkRuntimeFolder(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  const uid = process.getuid?.();
  if (stat === undefined || uid === undefined) return;
  const problem =
    stat.uid !== uid
      ? `belongs to user ${stat.uid} and not to you (user ${uid})`
      : stat.isDirectory() && (stat.mode & 0o077) !== 0
        ? "is open to other users"
        : undefined;
  if (problem === undefined) return;
  throw new PipekitError("UNSAFE_FOLDER", `The runtime folder ${path} ${problem}.`, {
    field: path,
    mend: `Run \`chmod 700 ${path}\` if it is yours, or set PKX_RUNTIME_DIR to a folder of your own.`,
  });
}
