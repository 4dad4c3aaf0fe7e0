/** Starts real daemons for tests: from source, in folders of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

/** How to start a daemon. */
export interface StartOptions {
  /** Folder that holds the state and runtime folders; a new one that `stop` removes when absent. */
  readonly home?: string;
  /** More arguments for `serve`. */
  readonly args?: readonly string[];
  /** Over the environment of the test. */
  readonly env?: Readonly<{ [name: string]: string | undefined }>;
  /** What to run instead of daemon/main.ts: a script that takes the same arguments. */
  readonly script?: string;
  /** Milliseconds until it must be ready. */
  readonly timeoutMs?: number;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A daemon under test. */
export interface TestDaemon {
  /** Such as `unix:/tmp/x/run/ab12.sock`. */
  readonly endpoint: string;
  readonly socketPath: string;
  readonly pid: number;
  /** Holds everything of this daemon. */
  readonly home: string;
  readonly stateFolder: string;
  readonly runtimeFolder: string;
  /** Environment under which clients find this daemon. */
  readonly clientEnv: { readonly [name: string]: string };
  readonly child: ChildProcess;
  /** Resolves when the process is gone. */
  readonly exited: Promise<Exit>;
  /** SIGTERM, then waits; removes the folders when they were made for this daemon. */
  stop(): Promise<Exit>;
  /** kill -9, then waits; leaves the folders. */
  kill9(): Promise<Exit>;
  /** What it wrote to standard error so far. */
  stderr(): string;
}

/** A new temporary folder with a short path: socket paths are limited. */
export function temporaryHome(): string {
  return mkdtempSync(join(tmpdir(), "pkx-"));
}

/** Command and environment of a daemon whose folders lie in `home`. */
export function daemonCommand(home: string, options: StartOptions = {}) {
  const stateFolder = join(home, "state");
  const runtimeFolder = join(home, "run");
  const args = [
    "--disable-warning=ExperimentalWarning",
    options.script ?? join(ROOT, "daemon/main.ts"),
    "serve",
    ...["--state-dir", stateFolder, "--runtime-dir", runtimeFolder],
    ...(options.args ?? []),
  ];
  const env = {
    ...process.env,
    // Nothing of the machine's real user gets in, nor is touched.
    PKX_CONFIG: undefined,
    XDG_CONFIG_HOME: join(home, "config"),
    ...options.env,
  };
  return { command: process.execPath, args, env, stateFolder, runtimeFolder };
}

/** Starts a daemon and waits until it is ready. Rejects with its standard error when it ends before. */
export async function startDaemon(options: StartOptions = {}): Promise<TestDaemon> {
  const home = options.home ?? temporaryHome();
  const { command, args, env, stateFolder, runtimeFolder } = daemonCommand(home, options);
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  const exited = once(child, "exit").then(([code, signal]): Exit => ({ code, signal }));
  const endpoint = await readyLine(child, options.timeoutMs ?? 20_000, () => stderr);
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return exited;
  };
  return {
    endpoint,
    socketPath: endpoint.slice("unix:".length),
    pid: child.pid ?? 0,
    home,
    stateFolder,
    runtimeFolder,
    clientEnv: { PKX_STATE_DIR: stateFolder, PKX_RUNTIME_DIR: runtimeFolder, PKX_ENDPOINT: endpoint },
    child,
    exited,
    async stop() {
      const exit = await end("SIGTERM");
      if (options.home === undefined) rmSync(home, { recursive: true, force: true });
      return exit;
    },
    kill9: () => end("SIGKILL"),
    stderr: () => stderr,
  };
}

function readyLine(child: ChildProcess, timeoutMs: number, stderr: () => string): Promise<string> {
  return new Promise((done, fail) => {
    let text = "";
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail(new Error(`The daemon was not ready within ${timeoutMs} ms: ${stderr()}`));
    }, timeoutMs);
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk;
      const endpoint = /^ready (\S+)$/m.exec(text)?.[1];
      if (endpoint === undefined) return;
      clearTimeout(timer);
      done(endpoint);
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      fail(new Error(`The daemon ended with code ${code} before it was ready: ${stderr()}`));
    });
  });
}
