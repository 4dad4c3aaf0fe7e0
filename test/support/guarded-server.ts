/** Servers of other people for tests: processes that end with this one, whatever ends it. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

// The watcher holds the read end of a pipe whose write end is ours: when this process dies, however it dies, the
// read returns and the whole process group goes with it. (A background job of sh has no stdin of its own, so the
// pipe is moved to descriptor 3 first.)
const GUARDED = 'exec 3<&0; (read -r _ <&3; kill -KILL 0) & exec "$@" </dev/null 3<&-';

/** How to start a server. */
export interface GuardedOptions {
  /** Where it runs, and where its `server.log` lies. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** What is removed when it has ended. */
  readonly remove: readonly string[];
  /** Resolves when it is ready; throws when it ended or takes too long. */
  readonly untilReady: (child: ChildProcess) => Promise<void>;
}

/** A running server. */
export interface GuardedServer {
  /** What it has printed so far. */
  log(): string;
  /** Ends it with all its processes. Harmless when repeated. */
  stop(): Promise<void>;
  /** kill -9 of all its processes, with nothing removed. */
  kill9(): Promise<void>;
}

/** Starts a command; returns once it is ready, and throws with the tail of its log when it will not be. */
export async function startGuarded(
  command: readonly string[],
  { folder, env, remove, untilReady }: GuardedOptions,
): Promise<GuardedServer> {
  const logPath = join(folder, "server.log");
  const output = openSync(logPath, "a");
  const child = spawn("/bin/sh", ["-c", GUARDED, "server", ...command], {
    cwd: folder,
    detached: true,
    stdio: ["pipe", output, output],
    env,
  });
  const log = () => (existsSync(logPath) ? readFileSync(logPath, "utf8") : "");
  const kill9 = () => endGroup(child, "SIGKILL");
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= endGroup(child).then(() => {
      for (const path of remove) rmSync(path, { recursive: true, force: true });
    });
    return stopped;
  };
  try {
    await untilReady(child);
  } catch (error) {
    const tail = log().slice(-4000);
    await stop();
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${tail}`);
  }
  return { log, stop, kill9 };
}

/** Starts anew when another process has taken a port between our look and the server's bind; three times in all. */
export async function despiteTakenPorts<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      const taken = error instanceof Error && /address already in use/i.test(error.message);
      if (!taken || attempt === 3) throw error;
    }
  }
}

async function endGroup(child: ChildProcess, signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
  const pid = child.pid;
  if (pid === undefined) return;
  const gone = new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });
  signalGroup(pid, signal);
  await Promise.race([gone, delay(5000, undefined, { ref: false })]);
  signalGroup(pid, "SIGKILL");
  await gone;
  child.stdin?.destroy();
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has ended already.
  }
}
