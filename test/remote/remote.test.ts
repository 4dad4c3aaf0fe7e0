import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { type Client, type ConnectOptions, connect } from "@pipekit/experiment";
import { DaemonServiceClient, PipekitError } from "@pipekit/proto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeProofs, type Proofs, type RemoteDaemon, startRemoteDaemon } from "../support/remote-daemon.ts";
import { pkx } from "../support/terminal.ts";

let proofs: Proofs;
let daemon: RemoteDaemon;

beforeAll(async () => {
  proofs = makeProofs();
  daemon = await startRemoteDaemon(proofs);
});

afterAll(async () => {
  await daemon.stop();
  proofs.remove();
});

function env(more: { [name: string]: string | undefined } = {}) {
  return { PKX_TOKEN_FILE: proofs.tokenFile, PKX_CA_FILE: proofs.caFile, PKX_ENDPOINT: daemon.url, ...more };
}

async function withClient(work: (client: Client) => Promise<void>, options: ConnectOptions = {}) {
  const client = await connect({ env: env(), ...options });
  try {
    await work(client);
  } finally {
    client.close();
  }
}

async function refusal(options: ConnectOptions): Promise<PipekitError> {
  const failure = await connect(options).then(
    (client) => client.close(),
    (error: unknown) => error,
  );
  if (!(failure instanceof PipekitError)) throw new Error(`not refused, but ${String(failure)}`);
  expect(`${failure.message} ${failure.mend}`).not.toContain(proofs.token);
  return failure;
}

test("with the token and the certificate authority a run is logged, read and watched, and a model stored and loaded", async () => {
  await withClient(async (client) => {
    expect(client.daemon).toMatchObject({ stateFolder: daemon.stateFolder, stagingFolder: "" });
    const run = await client.startRun({ name: "afar" });
    for (let step = 0; step < 1000; step++) run.log({ loss: 1 / (step + 1) }, step);
    await run.flush();
    const updates = client.watchMetrics(run.runId);
    const { value } = await updates.next();
    expect(value.series[0]?.values.length).toBe(1000);
    await updates.return(undefined);
    await run.end();

    const registry = client.registry();
    // More than one message takes.
    const weights = Buffer.alloc(20 * 1024 * 1024, 7);
    const file = proofs.file("weights.bin");
    writeFileSync(file, weights);
    const operator = { module: "m", class: "C", config: {} };
    const stored = await registry.store({ operator, weights: file, name: "production" });
    expect(stored.created).toBe(true);
    const copy = proofs.file("copy.bin");
    await registry.load("production", { toFile: copy });
    expect(readFileSync(copy).equals(weights)).toBe(true);
    expect((await registry.loadWeights("production")).equals(weights)).toBe(true);
  });
});

test("proofs may be named by options, and the token by a variable", async () => {
  await withClient(async (client) => expect((await client.status()).pid).toBe(daemon.pid), {
    env: { PKX_TOKEN: proofs.token },
    endpoint: daemon.url,
    caFile: proofs.caFile,
  });
  await withClient(async (client) => expect((await client.status()).pid).toBe(daemon.pid), {
    env: {},
    endpoint: daemon.url,
    caFile: proofs.caFile,
    tokenFile: proofs.tokenFile,
  });
});

test("without the token, with another or with a part of it, nothing is answered: neither Hello nor health", async () => {
  const wrong = proofs.file("wrong-token");
  writeFileSync(wrong, "x".repeat(48));
  const code = "UNAUTHENTICATED";
  expect(await refusal({ env: env({ PKX_TOKEN_FILE: undefined }) })).toMatchObject({
    code,
    field: "PKX_TOKEN_FILE",
  });
  expect(await refusal({ env: env({ PKX_TOKEN_FILE: "/no/such" }) })).toMatchObject({ code });
  expect(await refusal({ env: env({ PKX_TOKEN_FILE: wrong }) })).toMatchObject({ code });
  expect(await refusal({ env: env({ PKX_TOKEN: proofs.token.slice(1) }) })).toMatchObject({ code });

  const secure = credentials.createSsl(readFileSync(proofs.caFile));
  const client = new DaemonServiceClient(`127.0.0.1:${daemon.port}`, secure);
  const ask = (path: string, header?: string) =>
    new Promise<unknown>((done) => {
      const metadata = new Metadata();
      if (header !== undefined) metadata.set("authorization", header);
      const raw = (bytes: Buffer) => bytes;
      client.makeUnaryRequest(path, raw, raw, Buffer.alloc(0), metadata, (error: ServiceError | null) => {
        done(error === null ? "answered" : PipekitError.fromServiceError(error).code);
      });
    });
  const paths = ["/grpc.health.v1.Health/Check", "/pipekit.experiment.v1.DaemonService/Status"];
  for (const path of paths) {
    for (const header of [undefined, "", "Bearer", "Bearer ", `Basic ${proofs.token}`, proofs.token]) {
      expect(await ask(path, header), `${path} ${header}`).toBe(code);
    }
    expect(await ask(path, `Bearer ${proofs.token}`)).toBe("answered");
  }
  client.close();
});

test("a daemon whose certificate is not trusted, has expired or is of another host is not spoken to", async () => {
  const code = "UNAUTHENTICATED";
  expect(await refusal({ env: env({ PKX_CA_FILE: proofs.file("other-ca.pem") }) })).toMatchObject({ code });
  expect(await refusal({ env: env({ PKX_CA_FILE: undefined }) })).toMatchObject({ code });
  for (const [certificate, reason] of [
    ["expired", "CERT_HAS_EXPIRED"],
    ["elsewhere", "ERR_TLS_CERT_ALTNAME_INVALID"],
  ] as const) {
    const other = await startRemoteDaemon(proofs, { certificate });
    const failure = await refusal({ env: env({ PKX_ENDPOINT: other.url }) });
    expect(failure).toMatchObject({ code, field: "PKX_CA_FILE" });
    expect(failure.message).toContain(reason);
    await other.stop();
  }
});

test("no TLS on one side, nobody there, and a malformed address are told by name", async () => {
  const plain = createServer((socket) =>
    socket
      .on("error", () => undefined)
      .resume()
      .end("HTTP/1.1 400 Bad\r\n\r\n"),
  );
  await new Promise<void>((done) => plain.listen(0, "127.0.0.1", done));
  const { port } = plain.address() as { port: number };
  const noTls = await refusal({ endpoint: `https://127.0.0.1:${port}`, env: env() });
  expect(noTls).toMatchObject({ code: "DAEMON_UNAVAILABLE", field: "endpoint" });
  await new Promise((done) => plain.close(done));
  const nobody = await refusal({ endpoint: `https://127.0.0.1:${port}`, env: env() });
  expect(nobody).toMatchObject({ code: "DAEMON_UNAVAILABLE" });
  for (const endpoint of ["http://127.0.0.1:1", "https://127.0.0.1", "https://u:p@h:1", "127.0.0.1:7443"]) {
    expect(await refusal({ endpoint, env: env() })).toMatchObject({
      code: "INVALID_ARGUMENT",
      field: "endpoint",
    });
  }

  const client = new DaemonServiceClient(`127.0.0.1:${daemon.port}`, credentials.createInsecure());
  const failure = await new Promise<ServiceError | null>((done) => client.status({}, done));
  expect(failure?.code).toBe(14);
  client.close();
});

test("what the host has is refused by name, and the connection stays good", async () => {
  await withClient(async (client) => {
    const registry = client.registry();
    const local = client.registry(`local:${daemon.home}/other`);
    const drain = async (answers: AsyncIterable<unknown>) => {
      for await (const _ of answers);
    };
    const asked: [field: string, call: Promise<unknown>][] = [
      ["registry", local.stat("production")],
      ["registry", local.tags().next()],
      ["by_path", registry.load("production")],
      ["path", drain(registry.exportTo(join(daemon.home, "x.tar")))],
      ["path", drain(registry.importFrom("/etc/passwd"))],
      ["target", drain(registry.copyTo(`local:${daemon.home}/other`))],
      ["folder", client.configs.readRun("/etc")],
      ["repo", client.datasets("/etc").status()],
      ["state_folder", drain(client.delivery.sync({ stateFolder: "/root" }))],
      ["sinks[0]", drain(client.delivery.sync({ runIds: [], sinks: ["tensorboard:///tmp/x"] }))],
      ["frame.records[0].start.sinks[0]", client.startRun({ sinks: ["wandb+offline:///tmp?project=x"] })],
      [
        "frame.records[0].start.sinks[0]",
        client.startRun({ sinks: ["mlflow://127.0.0.1:1/x?token=file%3A%2Fetc%2Fpasswd"] }),
      ],
    ];
    const refusals = await Promise.allSettled(asked.map(([, call]) => call));
    refusals.forEach((refusal, i) => {
      const reason = { code: "INVALID_ARGUMENT", field: asked[i]?.[0] };
      expect(refusal).toMatchObject({ status: "rejected", reason });
    });
    const run = await client.startRun();
    await expect(run.logArtifact("/etc/hostname", "host")).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      field: "path",
    });
    run.log({ loss: 1 });
    await run.end();
    expect((await client.getRun(run.runId)).points).toBe(1);
  });
});

test("over a restart of the daemon the writer goes on, and the token is read anew", async () => {
  let own = await startRemoteDaemon(proofs);
  const client = await connect({ env: env({ PKX_ENDPOINT: own.url }) });
  const run = await client.startRun();
  run.log({ loss: 1 }, 0);
  await run.flush();
  await own.kill9();
  run.log({ loss: 2 }, 1);
  own = await startRemoteDaemon(proofs, { home: own.home, port: own.port });
  await run.end();
  expect((await client.getRun(run.runId)).points).toBe(2);
  client.close();
  await own.stop();
});

test("a stop from afar is answered before the connection goes, and waited for without a look at pids of this host", async () => {
  const own = await startRemoteDaemon(proofs);
  const { code, out } = await pkx(["stop"], { env: env({ PKX_ENDPOINT: own.url }) });
  expect([code, out]).toEqual([0, `Stopped (pid ${own.pid}).\n`]);
  expect(await refusal({ env: env({ PKX_ENDPOINT: own.url }) })).toMatchObject({
    code: "DAEMON_UNAVAILABLE",
  });
  await own.stop();
});

test("neither log nor info file names the token, and the socket asks for none", async () => {
  await withClient(async (client) => expect((await client.status()).pid).toBe(daemon.pid), {
    endpoint: daemon.endpoint,
    env: {},
  });
  const { logFile } = await connect({ endpoint: daemon.endpoint, env: {} }).then(async (client) => {
    const status = await client.status();
    client.close();
    return status;
  });
  const texts = [logFile, join(daemon.stateFolder, "daemon.json"), `/proc/${daemon.pid}/cmdline`];
  for (const path of texts) expect(readFileSync(path, "utf8")).not.toContain(proofs.token);
  expect(readFileSync(logFile, "utf8")).toContain(`127.0.0.1:${daemon.port}`);
});
