/** Faults of the config, of certificates, addresses, trackers and clocks: each made, found, mended, and gone. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { makeProofs, type Proofs, startRemoteDaemon } from "../support/remote-daemon.ts";
import { follow, Home } from "./home.ts";

let home: Home;
let proofs: Proofs;
const closing: (() => void)[] = [];

beforeAll(() => {
  proofs = makeProofs();
});
afterAll(() => proofs.remove());
beforeEach(() => {
  home = new Home();
});
afterEach(() => {
  for (const close of closing.splice(0)) close();
  home.remove();
});

/** A server that answers with the `Date` of this many milliseconds ago. */
async function serverOf(lateMs: number): Promise<string> {
  const server = createHttp((_request, response) => {
    response.setHeader("date", new Date(Date.now() - lateMs).toUTCString());
    response.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function listening(certificate: string, port: number, key = certificate): string {
  return [
    `listen: 127.0.0.1:${port}`,
    `tls_cert: ${proofs.file(`${certificate}.pem`)}`,
    `tls_key: ${proofs.file(`${key}.key`)}`,
    `token_file: ${proofs.tokenFile}\n`,
  ].join("\n");
}

/** Replaces the daemon's certificate by one that lasts so many days. */
function certificateOf(days: number): string {
  const [pem, key] = [join(home.folder, "own.pem"), join(home.folder, "own.key")];
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ed25519",
      "-nodes",
      "-subj",
      "/CN=x",
      "-days",
      `${days}`,
      "-keyout",
      key,
      "-out",
      pem,
    ],
    { stdio: "ignore" },
  );
  chmodSync(key, 0o600);
  return `tls_cert: ${pem}\ntls_key: ${key}\ntoken_file: ${proofs.tokenFile}\n`;
}

test("a config that is no YAML, has unknown settings, or wrong ones", async () => {
  home.configure("idle_exit: 3\n");
  expect(await home.problem("config")).toMatchObject({ message: /idle_exit/, mend: /Keys allowed/ });
  home.configure("log_level: [\n");
  expect((await home.problem("config")).message).toContain("is not YAML");
  home.configure("log_level: loud\n");
  expect((await home.problem("config")).message).toContain("must be one of");
  home.configure("log_level: debug\n");
  await home.green();
});

test("listening without a certificate, with the wrong key, with a token that others can read", async () => {
  const port = await freePort();
  home.configure(`listen: 127.0.0.1:${port}\n`);
  expect((await home.problem("config")).message).toContain("tls_cert is not set");
  home.configure(listening("good", port, "elsewhere"));
  expect((await home.problem("config")).message).toContain("not that of the certificate");
  const token = join(home.folder, "token");
  writeFileSync(token, "0123456789abcdef0123", { mode: 0o644 });
  home.configure(listening("good", port).replace(proofs.tokenFile, token));
  follow((await home.problem("config")).mend);
  expect((await home.problem("certificate")).message).toMatch(/of tls_cert expires in \d days?/);
});

test("certificates that have expired, or soon will", async () => {
  const port = await freePort();
  home.configure(listening("expired", port));
  expect((await home.problem("certificate")).message).toContain("has expired at");
  home.configure(`listen: 127.0.0.1:${port}\n${certificateOf(5)}`);
  expect((await home.problem("certificate")).message).toMatch(/expires in [45] days/);
  home.configure(`listen: 127.0.0.1:${port}\n${certificateOf(20)}`);
  expect((await home.note("certificate")).message).toMatch(/expires in (19|20) days/);
  home.configure(`listen: 127.0.0.1:${port}\n${certificateOf(200)}`);
  await home.green();
});

test("addresses that somebody else has", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  home.configure(`metrics_listen: 127.0.0.1:${port}\n`);
  expect((await home.problem("address")).message).toContain(`of metrics_listen, 127.0.0.1:${port}`);
  home.configure(`listen: 127.0.0.1:${port}\n${certificateOf(200)}`);
  expect((await home.problem("address")).message).toContain("somebody listens there already");
  server.close();
  await once(server, "close");
  await home.green();
});

test("named trackers with a wrong spec, a secret in it, or one that is not there", async () => {
  home.configure("trackers: {prod: ['mlfow://127.0.0.1/x']}\n");
  expect((await home.problem("trackers")).message).toContain("No tracker has the scheme `mlfow`");
  home.configure("trackers: {prod: ['mlflow://ej:hunter2@127.0.0.1/x']}\n");
  const told = await home.problem("trackers");
  expect(told.message).toContain("carries credentials");
  expect(JSON.stringify(told)).not.toContain("hunter2");
  const server = await serverOf(0);
  const file = join(home.folder, "token");
  home.configure(`trackers: {prod: ['mlflow://${server}/x?token=file:${file}']}\n`);
  expect((await home.problem("credentials")).message).toContain("ENOENT");
  writeFileSync(file, "secret", { mode: 0o644 });
  expect((await home.problem("credentials")).message).toContain("is open to other users");
  chmodSync(file, 0o600);
  await home.green();
  home.configure(`trackers: {prod: ['mlflow://${server}/x?token=env:PROD_TOKEN']}\n`);
  expect((await home.note("credentials")).message).toContain("PROD_TOKEN");
  home.env = { ...home.env, PROD_TOKEN: "secret" };
  await home.green();
});

test("named trackers whose server is away, is not trusted, or whose folder cannot be made", async () => {
  const port = await freePort();
  home.configure(`trackers: {prod: ['mlflow://127.0.0.1:${port}/x', 'mlflow://127.0.0.1:${port}/y']}\n`);
  expect((await home.problem("trackers")).message).toBe(
    `http://127.0.0.1:${port} cannot be reached (ECONNREFUSED).`,
  );
  const server = createHttp((_request, response) => response.end()).listen(port, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => server.close());
  await home.green();
  const secure = createHttps({
    cert: readFileSync(proofs.file("good.pem")),
    key: readFileSync(proofs.file("good.key")),
  }).listen(0, "127.0.0.1");
  await once(secure, "listening");
  closing.push(() => secure.close());
  home.configure(
    `trackers: {prod: ['mlflow+https://127.0.0.1:${(secure.address() as AddressInfo).port}/x']}\n`,
  );
  expect((await home.problem("trackers")).mend).toContain("NODE_EXTRA_CA_CERTS");
  home.configure(`trackers: {prod: ['tensorboard://${home.configFile}/events']}\n`);
  expect((await home.problem("trackers")).message).toContain("cannot be written");
  home.configure(
    `trackers: {prod: ['tensorboard://${home.folder}/events', 'clearml+offline://${home.folder}/c?project=digits']}\n`,
  );
  await home.green();
});

test("a clock that is ahead of the trackers' or behind it", async () => {
  home.configure(`trackers: {prod: ['mlflow://${await serverOf(3_600_000)}/x']}\n`);
  expect((await home.problem("clock")).message).toMatch(
    /^This machine's clock is (1 h 0|59) min.* ahead of that of http:/,
  );
  home.configure(`trackers: {prod: ['mlflow://${await serverOf(-60_000)}/x']}\n`);
  expect((await home.note("clock")).message).toContain("behind");
  home.configure(`trackers: {prod: ['mlflow://${await serverOf(0)}/x']}\n`);
  await home.green();
});

test("a daemon that is reached over TCP: the address, who signed, the token", async () => {
  const daemon = await startRemoteDaemon(proofs);
  closing.push(() => void daemon.stop());
  const mine = home.env;
  const wrong = join(home.folder, "token");
  writeFileSync(wrong, "0123456789abcdef0123", { mode: 0o600 });
  const over = (url: string, token: string, ca: string) => {
    home.env = { ...mine, PKX_ENDPOINT: url, PKX_TOKEN_FILE: token, PKX_CA_FILE: ca };
  };
  over(daemon.url, join(home.folder, "nowhere"), proofs.caFile);
  expect((await home.problem("daemon")).mend).toContain("PKX_TOKEN_FILE");
  over(daemon.url, wrong, proofs.caFile);
  const told = await home.problem("daemon");
  expect(told.message).toMatch(/token|UNAUTHENTICATED/i);
  expect(JSON.stringify(told)).not.toContain("0123456789abcdef0123");
  over(daemon.url, proofs.tokenFile, proofs.file("other-ca.pem"));
  expect((await home.problem("daemon")).message).toContain("does not prove to be the daemon");
  over(`https://127.0.0.1:${await freePort()}`, proofs.tokenFile, proofs.caFile);
  await home.problem("daemon");
  over(daemon.url, proofs.tokenFile, proofs.caFile);
  await home.green();
});
