/** A real `mlflow server` (SQLite store, proxied artifacts) on a free loopback port, for tests, demo and bench. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "./free-port.ts";

const ROOT = join(import.meta.dirname, "../..");

/** A running server. */
export interface MlflowServer {
  /** `http://127.0.0.1:<port>`, followed by the static prefix when one was asked for. */
  readonly url: string;
  /** Host and port, for specs. */
  readonly host: string;
  /** Folder with the database, the artifacts and `server.log`. */
  readonly folder: string;
  /** What the server has printed so far. */
  log(): string;
  /** Ends the server with all its processes and removes the folder unless it was given. Harmless when repeated. */
  stop(): Promise<void>;
}

/** What to start. */
export interface MlflowServerOptions {
  /** Folder to keep everything in; a temporary one when absent. */
  readonly folder?: string;
  /** Serves API and UI below this path, such as `/tracking`. */
  readonly staticPrefix?: string;
  /** False starts it with `--no-serve-artifacts`. */
  readonly serveArtifacts?: boolean;
  /** Port to listen on; a free one when absent. */
  readonly port?: number;
  /** Milliseconds to wait for GET /health; 90 s when absent. */
  readonly deadlineMs?: number;
}

// The watcher holds the read end of a pipe whose write end is ours: when this process dies, however it dies, the
// read returns and the whole process group goes with it. (A background job of sh has no stdin of its own, so the
// pipe is moved to descriptor 3 first.)
const GUARDED = 'exec 3<&0; (read -r _ <&3; kill -KILL 0) & exec "$@" </dev/null 3<&-';

/** Starts the server and returns once it answers GET /health. Throws with the tail of its log when it does not. */
export async function startMlflowServer(options: MlflowServerOptions = {}): Promise<MlflowServer> {
  const binary = join(ROOT, ".venv/bin/mlflow");
  if (!existsSync(binary)) throw new Error(`${binary} does not exist; run \`npm run setup\`.`);
  // Another process may take the port between our look and the server's bind.
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(binary, options, options.port ?? (await freePort()));
    } catch (error) {
      const taken = error instanceof Error && /address already in use/i.test(error.message);
      if (!taken || options.port !== undefined || attempt === 3) throw error;
    }
  }
}

async function startOnce(binary: string, options: MlflowServerOptions, port: number): Promise<MlflowServer> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "pipekit-mlflow-"));
  const logPath = join(folder, "server.log");
  const prefix = options.staticPrefix ?? "";
  const command = [
    ...[binary, "server", "--host", "127.0.0.1", "--port", String(port), "--workers", "1"],
    ...["--backend-store-uri", `sqlite:///${join(folder, "mlflow.db")}`],
    ...(options.serveArtifacts === false
      ? ["--no-serve-artifacts", "--default-artifact-root", `file://${join(folder, "artifacts")}`]
      : ["--artifacts-destination", join(folder, "artifacts")]),
    ...(prefix === "" ? [] : ["--static-prefix", prefix]),
  ];
  const output = openSync(logPath, "a");
  const child = spawn("/bin/sh", ["-c", GUARDED, "mlflow", ...command], {
    cwd: folder,
    detached: true,
    stdio: ["pipe", output, output],
    env: serverEnvironment(),
  });
  const log = () => (existsSync(logPath) ? readFileSync(logPath, "utf8") : "");
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= endGroup(child).then(() => {
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
    });
    return stopped;
  };
  const host = `127.0.0.1:${port}`;
  const url = `http://${host}${prefix}`;
  try {
    await untilHealthy(child, url, options.deadlineMs ?? 90_000);
  } catch (error) {
    const tail = log().slice(-4000);
    await stop();
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${tail}`);
  }
  return { url, host, folder, log, stop };
}

/** Ours without what would change the server, its store or its network habits. */
function serverEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("MLFLOW_"));
  return {
    ...Object.fromEntries(own),
    MLFLOW_DISABLE_TELEMETRY: "true",
    DO_NOT_TRACK: "true",
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION: "false",
    PYTHONUNBUFFERED: "1",
  };
}

async function untilHealthy(child: ChildProcess, url: string, deadlineMs: number): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`mlflow server ended with ${child.exitCode ?? child.signalCode} before it was ready.`);
    }
    const ready = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2000) }).then(
      async (response) => (await response.text()) === "OK" && response.ok,
      () => false,
    );
    if (ready) return;
    await delay(100);
  }
  throw new Error(`mlflow server did not answer ${url}/health within ${deadlineMs} ms.`);
}

async function endGroup(child: ChildProcess): Promise<void> {
  const pid = child.pid;
  if (pid === undefined) return;
  const gone = new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });
  signalGroup(pid, "SIGTERM");
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
