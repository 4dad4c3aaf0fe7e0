import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { credentials, Metadata, status } from "@grpc/grpc-js";
import { connect } from "@pipekit/experiment";
import { DaemonServiceClient } from "@pipekit/proto";
import { afterEach, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { makeProofs, startRemoteDaemon } from "../support/remote-daemon.ts";
import { Page, readPage } from "./page.ts";

const TOKEN = "token-of-metrics-0123";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function watched(port: number, env: { readonly [name: string]: string } = {}): Promise<TestDaemon> {
  const daemon = await startDaemon({ args: ["--metrics-listen", `127.0.0.1:${port}`], env });
  cleanups.push(() => daemon.stop());
  return daemon;
}

test("the page is read with the token only, and there is nothing else", async () => {
  const home = temporaryHome();
  cleanups.push(() => rmSync(home, { recursive: true }));
  const tokenFile = join(home, "token");
  writeFileSync(tokenFile, TOKEN, { mode: 0o600 });
  const port = await freePort();
  const daemon = await watched(port, { PKX_METRICS_TOKEN_FILE: tokenFile });
  const url = `http://127.0.0.1:${port}`;
  const get = async (path: string, authorization?: string, method = "GET") => {
    const answer = await fetch(url + path, {
      method,
      headers: authorization === undefined ? {} : { authorization },
    });
    return { status: answer.status, text: await answer.text() };
  };
  expect(await get("/metrics")).toEqual({ status: 401, text: "" });
  expect(await get("/metrics", `Bearer ${TOKEN}x`)).toEqual({ status: 401, text: "" });
  expect(await get("/metrics", `Basic ${TOKEN}`)).toEqual({ status: 401, text: "" });
  const page = await get("/metrics?x=1", `Bearer ${TOKEN}`);
  expect(Page.parse(page.text).sum("pipekit_build_info")).toBe(1);
  expect(await get("/metrics", `Bearer ${TOKEN}`, "HEAD")).toEqual({ status: 200, text: "" });
  expect(await get("/", `Bearer ${TOKEN}`)).toMatchObject({ status: 404 });
  expect(await get("/metrics", `Bearer ${TOKEN}`, "POST")).toMatchObject({ status: 405 });
  expect(readFileSync(join(daemon.stateFolder, "logs/daemon.log"), "utf8")).not.toContain(TOKEN);
});

test("calls that prove nothing are counted by method, and as refused", async () => {
  const proofs = makeProofs();
  cleanups.push(() => proofs.remove());
  const port = await freePort();
  const daemon = await startRemoteDaemon(proofs, { args: ["--metrics-listen", `127.0.0.1:${port}`] });
  cleanups.push(() => daemon.stop());
  const channel = credentials.createSsl(readFileSync(proofs.caFile));
  const client = new DaemonServiceClient(daemon.url.replace("https://", ""), channel);
  cleanups.push(() => client.close());
  for (let i = 0; i < 3; i++) {
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${"x".repeat(20)}${i}`);
    const code = await new Promise((done) => client.status({}, metadata, (error) => done(error?.code)));
    expect(code).toBe(status.UNAUTHENTICATED);
  }
  const page = await readPage(port);
  const labels = {
    rpc_method: "pipekit.experiment.v1.DaemonService/Status",
    rpc_response_status_code: "UNAUTHENTICATED",
  };
  expect(page.sum("rpc_server_call_duration_seconds_count", labels)).toBe(3);
  expect(page.sum("pipekit_access_refusals_total")).toBe(3);
});

test("many who read at the same time share the work, and a reader who stalls holds up nobody", async () => {
  const port = await freePort();
  const daemon = await watched(port);
  const stalled = request({ port, path: "/metrics", method: "POST", headers: { "content-length": 1000 } });
  stalled.on("error", () => undefined);
  stalled.write("x");
  cleanups.push(() => stalled.destroy());
  const texts = await Promise.all(
    Array.from({ length: 20 }, async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()),
  );
  for (const text of texts) Page.parse(text);
  const begun = performance.now();
  expect(await daemon.stop()).toMatchObject({ code: 0 });
  expect(performance.now() - begun).toBeLessThan(4000);
});

test("a port that another has does not keep the daemon from its work, and is taken when it is free", {
  timeout: 30_000,
}, async () => {
  const other = createServer();
  await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
  const address = other.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const daemon = await watched(address.port);
  const client = await connect({ endpoint: daemon.endpoint });
  cleanups.push(() => client.close());
  const run = await client.startRun();
  run.log({ loss: 1 });
  await run.end();
  expect((await client.status()).warnings).toEqual([
    expect.stringContaining("(metrics_listen) cannot be bound (EADDRINUSE)"),
  ]);
  await new Promise((done) => other.close(done));
  await expect
    .poll(
      () =>
        fetch(`http://127.0.0.1:${address.port}/metrics`).then(
          ({ status }) => status,
          () => 0,
        ),
      { timeout: 20_000, interval: 100 },
    )
    .toBe(200);
  expect((await client.status()).warnings).toEqual([]);
});
