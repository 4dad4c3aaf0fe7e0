/** A real NATS server with JetStream, on a loopback port of its own and a folder that outlives a kill -9. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "./free-port.ts";

const BINARY = resolve(import.meta.dirname, "../../.venv/bin/nats-server");
const READY_MS = 20_000;

export interface NatsServer {
  readonly port: number;
  /** kill -9; messages stay. */
  kill9(): Promise<void>;
  /** Starts it again where it was. */
  start(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** `args` are more arguments of the server, such as `--auth TOKEN`. */
export async function startNats(args: readonly string[] = []): Promise<NatsServer> {
  if (!existsSync(BINARY)) throw new Error(`${BINARY} does not exist; run \`npm run setup\`.`);
  const folder = mkdtempSync(join(tmpdir(), "pkx-nats-"));
  const port = await freePort();
  let child: ChildProcess;
  const start = async () => {
    child = spawn(BINARY, ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", folder, ...args], {
      stdio: "ignore",
    });
    await once(child, "spawn");
    for (const until = Date.now() + READY_MS; !(await answers(port)); await pause(20)) {
      if (Date.now() > until || child.exitCode !== null) throw new Error("The NATS server does not answer.");
    }
  };
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  };
  await start();
  return {
    port,
    kill9: () => end("SIGKILL"),
    start,
    stop: async () => {
      await end("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Whether the server says its first word. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const done = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once("data", (data) => done(data.toString().startsWith("INFO")));
    socket.once("error", () => done(false));
    socket.once("close", () => done(false));
  });
}
