/** A trainer on the daemon's unix socket, and what it sees. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Client, connect } from "@pipekit/experiment";
import type { TestDaemon } from "../support/daemon.ts";

/** Times until a point was on the daemon's disk, milliseconds, and the daemon's memory, bytes. */
export interface Sight {
  readonly p50: number;
  readonly p99: number;
  readonly acks: number;
  readonly rss: number;
}

export function rssOf(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}

export async function trainer(daemon: TestDaemon): Promise<Client> {
  return connect({ env: daemon.clientEnv });
}

/** Logs a point every 5 ms for some time, and waits for each to be acknowledged. The memory is the largest seen. */
export async function watchFor(client: Client, daemon: TestDaemon, forMs: number): Promise<Sight> {
  const run = await client.startRun({ name: "trainer" });
  const times: number[] = [];
  let rss = 0;
  const until = performance.now() + forMs;
  for (let step = 0; performance.now() < until; step++) {
    const began = performance.now();
    run.log({ loss: step }, step);
    await run.flush();
    times.push(performance.now() - began);
    if (step % 20 === 0) rss = Math.max(rss, rssOf(daemon.pid));
    await delay(5);
  }
  await run.end();
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? 0;
  return { p50: at(0.5), p99: at(0.99), acks: times.length, rss };
}

/** What a hostile peer got done. */
export interface Done {
  readonly opened: number;
  readonly closed: number;
  readonly bytes: number;
}

/** Runs an attack while `work` is done and until a connection of it was closed; with `token` it is one of a principal that is known. */
export async function under<T>(
  attack: string,
  port: number,
  connections: number,
  work: () => Promise<T>,
  token = "",
): Promise<{ readonly seen: T; readonly done: Done }> {
  const script = join(import.meta.dirname, "attacker.ts");
  const args = ["--disable-warning=ExperimentalWarning", script, attack, String(port), String(connections)];
  const env = { ...process.env, ...(token !== "" && { PKX_ATTACK_TOKEN: token }) };
  const attacker = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"], env });
  let told = "";
  const closed = Promise.withResolvers<void>();
  attacker.stdout.on("data", (chunk: Buffer) => {
    told += chunk;
    closed.resolve();
  });
  const exited = once(attacker, "exit");
  try {
    const [seen] = await Promise.all([work(), closed.promise]);
    attacker.stdin.end();
    await exited;
    return { seen, done: JSON.parse(told.replace(/^closed\n/, "")) as Done };
  } finally {
    attacker.kill("SIGKILL");
  }
}
