/** Real servers of monitoring: rotel, which takes OTLP and prints what it got, and Prometheus. */
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../support/free-port.ts";
import { type GuardedServer, startGuarded } from "../support/guarded-server.ts";
import { findProgram, PROMETHEUS } from "../support/programs.ts";
import { toolPath } from "../support/tools.ts";

/** The alerts and the job that are shipped. */
export const SHIPPED = resolve(import.meta.dirname, "../../daemon/deploy/prometheus");

export interface Collector extends GuardedServer {
  /** Base address for OTLP by HTTP. */
  readonly endpoint: string;
}

/** Starts rotel; what it gets stands in its log. `port` is a free one when absent. */
export async function startCollector(port?: number): Promise<Collector> {
  const folder = mkdtempSync(join(tmpdir(), "pkx-otlp-"));
  const http = port ?? (await freePort());
  const grpc = await freePort();
  const server = await startGuarded(
    [
      ...[agentPath(), "start", "--exporter", "blackhole", "--pid-file", join(folder, "pid")],
      ...["--otlp-http-endpoint", `127.0.0.1:${http}`, "--otlp-grpc-endpoint", `127.0.0.1:${grpc}`],
      ...["--debug-log", "metrics", "--debug-log", "traces", "--debug-log-verbosity", "detailed"],
    ],
    { folder, env: { PATH: process.env["PATH"] }, remove: [folder], untilReady: () => untilListening(http) },
  );
  return { ...server, endpoint: `http://127.0.0.1:${http}` };
}

/** The program lies in its Python package. */
function agentPath(): string {
  const packages = resolve(toolPath("python"), "../../lib");
  const python = readdirSync(packages).find((name) => name.startsWith("python3")) ?? "";
  return join(packages, python, "site-packages/rotel/rotel-agent");
}

export interface Prometheus extends GuardedServer {
  /** Asks a query; rejects when it is none, with what is wrong. */
  query(
    expression: string,
  ): Promise<readonly { readonly metric: object; readonly value: [number, string] }[]>;
}

/** Starts Prometheus, which reads a page each second. */
export async function startPrometheus(target: number): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), "pkx-prom-"));
  const port = await freePort();
  const job = { job_name: "pipekit-experiment", static_configs: [{ targets: [`127.0.0.1:${target}`] }] };
  const rule_files = [join(SHIPPED, "alerts.yaml")];
  writeFileSync(
    join(folder, "prometheus.yml"),
    JSON.stringify({ global: { scrape_interval: "1s" }, rule_files, scrape_configs: [job] }),
  );
  const address = `127.0.0.1:${port}`;
  const args = [
    ...["--config.file=prometheus.yml", "--storage.tsdb.path=data", `--web.listen-address=${address}`],
    ...["--log.level=warn"],
  ];
  const server = await startGuarded([findProgram(PROMETHEUS) ?? "", ...args], {
    folder,
    env: { PATH: process.env["PATH"] },
    remove: [folder],
    untilReady: () => untilListening(port),
  });
  return {
    ...server,
    async query(expression) {
      const answer = await fetch(
        `http://${address}/api/v1/query?${new URLSearchParams({ query: expression })}`,
      );
      const body = (await answer.json()) as { error?: string; data?: { result: [] } };
      if (body.data === undefined) throw new Error(`${expression}: ${body.error}`);
      return body.data.result;
    },
  };
}

async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const open = await new Promise<boolean>((done) => {
      const socket = connect(port, "127.0.0.1", () => done(true)).on("error", () => done(false));
      socket.on("connect", () => socket.destroy());
    });
    if (open) return;
    await delay(50);
  }
  throw new Error(`Nobody listens on the port ${port}.`);
}
