/** A real `mlflow server` (SQLite store, proxied artifacts) on a free loopback port, for tests, demo and bench. */

import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "./free-port.ts";
import { despiteTakenPorts, startGuarded } from "./guarded-server.ts";
import { toolPath } from "./tools.ts";

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

/** Starts the server and returns once it answers GET /health. Throws with the tail of its log when it does not. */
export async function startMlflowServer(options: MlflowServerOptions = {}): Promise<MlflowServer> {
  const binary = toolPath("mlflow");
  if (!existsSync(binary)) throw new Error(`${binary} does not exist; run \`npm run setup\`.`);
  const { port } = options;
  if (port !== undefined) return startOnce(binary, options, port);
  return despiteTakenPorts(async () => startOnce(binary, options, await freePort()));
}

async function startOnce(binary: string, options: MlflowServerOptions, port: number): Promise<MlflowServer> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "pipekit-mlflow-"));
  const prefix = options.staticPrefix ?? "";
  const command = [
    ...[binary, "server", "--host", "127.0.0.1", "--port", String(port), "--workers", "1"],
    ...["--backend-store-uri", `sqlite:///${join(folder, "mlflow.db")}`],
    ...(options.serveArtifacts === false
      ? ["--no-serve-artifacts", "--default-artifact-root", `file://${join(folder, "artifacts")}`]
      : ["--artifacts-destination", join(folder, "artifacts")]),
    ...(prefix === "" ? [] : ["--static-prefix", prefix]),
  ];
  const host = `127.0.0.1:${port}`;
  const url = `http://${host}${prefix}`;
  const { log, stop } = await startGuarded(command, {
    folder,
    env: serverEnvironment(),
    remove: options.folder === undefined ? [folder] : [],
    untilReady: (child) => untilHealthy(child, url, options.deadlineMs ?? 90_000),
  });
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
    // Old releases have the page beside the prefix, not below it.
    for (const page of new Set([`${url}/health`, new URL("/health", url).href])) {
      const ready = await fetch(page, { signal: AbortSignal.timeout(2000) }).then(
        async (response) => (await response.text()) === "OK" && response.ok,
        () => false,
      );
      if (ready) return;
    }
    await delay(100);
  }
  throw new Error(`mlflow server did not answer ${url}/health within ${deadlineMs} ms.`);
}
