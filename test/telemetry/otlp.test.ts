import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, Metadata } from "@grpc/grpc-js";
import { connect } from "@pipekit/experiment";
import { DaemonServiceClient } from "@pipekit/proto";
import { ulid } from "ulid";
import { afterEach, expect, test } from "vitest";
import { framesOfRun, sendFrames } from "../faults/flood.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { readPage } from "./page.ts";
import { startCollector } from "./servers.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function daemonTo(endpoint: string, env: { readonly [name: string]: string }, args: string[] = []) {
  const daemon = await startDaemon({ args: ["--otlp-endpoint", endpoint, ...args], env });
  cleanups.push(() => daemon.stop());
  return daemon;
}

function logOf(daemon: TestDaemon): string {
  return readFileSync(join(daemon.stateFolder, "logs/daemon.log"), "utf8");
}

/** Calls Status as a program would that traces. */
async function callTraced(daemon: TestDaemon, traceparent: string): Promise<void> {
  const client = new DaemonServiceClient(daemon.endpoint, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set("traceparent", traceparent);
  await new Promise<void>((done, fail) => {
    client.status({}, metadata, (error) => (error === null ? done() : fail(error)));
  });
  client.close();
}

test("a real collector gets all that was counted, at the latest when the daemon stops, and the caller's trace", async () => {
  const collector = await startCollector();
  cleanups.push(() => collector.stop());
  const daemon = await daemonTo(collector.endpoint, { PKX_TRACE_RATIO: "1", PKX_OTLP_INTERVAL_S: "3600" });
  const client = await connect({ endpoint: daemon.endpoint });
  cleanups.push(() => client.close());
  await sendFrames(daemon.endpoint, framesOfRun(ulid(), 4097, []));
  const operator = { module: "m", class: "C", config: {} };
  await client.registry().store({ operator, weights: Buffer.alloc(10) });
  await callTraced(daemon, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  await callTraced(daemon, "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
  client.close();
  const begun = performance.now();
  expect(await daemon.stop()).toMatchObject({ code: 0 });
  expect(performance.now() - begun).toBeLessThan(4000);
  await expect.poll(() => collector.log(), { timeout: 5000 }).toContain("pipekit.journal.points");
  const text = collector.log();
  const figure = text.slice(
    text.indexOf("-> Name: pipekit.journal.points"),
    text.indexOf("-> Name: pipekit.journal.written"),
  );
  expect(figure).toContain("Value: 4097");
  expect(text).toMatch(/pipekit\.experiment\.v1\.TrackerService\/Log/);
  expect(text).toMatch(/registry store/);
  // The caller's trace is kept as he decided, and not where he decided against.
  expect(text).toContain("0af7651916cd43dd8448eb211c80319c");
  expect(text).not.toContain("1af7651916cd43dd8448eb211c80319c");
});

/** A collector that does what it likes. */
async function strangeCollector(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.each<[string, RequestListener | undefined, RegExp]>([
  ["that is away", undefined, /ECONNREFUSED/],
  ["that hangs", () => undefined, /timed? ?out/i],
  [
    "that answers with 500",
    (_, response) => response.writeHead(500).end("secret-of-the-server"),
    /the status 500/,
  ],
  ["that refuses the key", (_, response) => response.writeHead(401).end(), /the status 401/],
])("a collector %s is told of, and the daemon does its work and stops in time", async (_, listener, why) => {
  const folder = mkdtempSync(join(tmpdir(), "pkx-"));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const config = join(folder, "config.yaml");
  writeFileSync(config, "otlp_headers: { authorization: env:OTLP_KEY }\n");
  const endpoint =
    listener === undefined ? `http://127.0.0.1:${await freePort()}` : await strangeCollector(listener);
  const env = { PKX_TRACE_RATIO: "1", PKX_OTLP_INTERVAL_S: "1", OTLP_KEY: "key-of-the-collector" };
  const port = await freePort();
  const daemon = await daemonTo(endpoint, env, ["--config", config, "--metrics-listen", `127.0.0.1:${port}`]);
  await sendFrames(daemon.endpoint, framesOfRun(ulid(), 10_000, []));
  const client = await connect({ endpoint: daemon.endpoint });
  cleanups.push(() => client.close());
  const warnings = async () => (await client.status()).warnings.join(" ");
  await expect
    .poll(warnings, { timeout: 10_000, interval: 200 })
    .toMatch(/No metrics reach the OTLP endpoint/);
  expect(await warnings()).toMatch(why);
  const page = await readPage(port);
  expect(page.sum("pipekit_journal_points_total")).toBe(10_000);
  expect(
    page.sum("pipekit_telemetry_exports_total", { signal: "metrics", outcome: "failed" }),
  ).toBeGreaterThan(0);
  expect(page.sum("pipekit_telemetry_exports_total", { outcome: "ok" })).toBe(0);
  const begun = performance.now();
  expect(await daemon.child.kill("SIGTERM")).toBe(true);
  expect(await daemon.exited).toMatchObject({ code: 0 });
  const stopMs = performance.now() - begun;
  expect(stopMs).toBeLessThan(4000);
  expect(logOf(daemon)).not.toMatch(/key-of-the-collector|secret-of-the-server/);
  expect(logOf(daemon)).not.toMatch(/step of the drain took too long|step of the drain failed/);
});

test("headers go along, and are read from their file each time", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pkx-"));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const [config, key] = [join(folder, "config.yaml"), join(folder, "key")];
  writeFileSync(key, "first-key", { mode: 0o600 });
  writeFileSync(config, `otlp_headers: { x-key: "file:${key}" }\n`);
  const seen = new Set<string>();
  const endpoint = await strangeCollector((request, response) => {
    seen.add(`${request.url} ${request.headers["x-key"]}`);
    request.resume().on("end", () => response.end());
  });
  await daemonTo(endpoint, { PKX_OTLP_INTERVAL_S: "1" }, ["--config", config]);
  await expect.poll(() => [...seen], { timeout: 10_000 }).toEqual(["/v1/metrics first-key"]);
  writeFileSync(key, "second-key\n");
  await expect.poll(() => [...seen], { timeout: 10_000 }).toContain("/v1/metrics second-key");
});
