/** What proves a principal: tokens and certificates, alone and together, and what proves nothing. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { connect } from "@pipekit/experiment";
import { DaemonServiceClient, type HelloResponse, PipekitError } from "@pipekit/proto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { toolPath } from "../support/tools.ts";
import { failureOf, Lab } from "./lab.ts";

/** A daemon whose clients may show a certificate, and one whose clients must. */
let lab: Lab;
let strict: TestDaemon;
let strictPort: number;

beforeAll(async () => {
  lab = await Lab.open((proofs) => ["--tls-client-ca", proofs.caFile, "--tls-client-auth", "optional"]);
  strictPort = await freePort();
  const { proofs } = lab;
  strict = await startDaemon({
    args: [
      ...["--listen", `127.0.0.1:${strictPort}`, "--principals-file", proofs.file("principals.yaml")],
      ...["--tls-cert", proofs.file("good.pem"), "--tls-key", proofs.file("good.key")],
      ...["--tls-client-ca", proofs.caFile],
    ],
  });
}, 60_000);

afterAll(async () => {
  await strict.stop();
  await lab.close();
});

/** An environment with the certificate of this name, and without a token. */
function env(certificate: string | undefined, more: Readonly<{ [name: string]: string }> = {}) {
  const { proofs } = lab;
  return {
    PKX_ENDPOINT: `https://127.0.0.1:${lab.port}`,
    PKX_CA_FILE: proofs.caFile,
    ...(certificate !== undefined && {
      PKX_CLIENT_CERT_FILE: proofs.file(`${certificate}.pem`),
      PKX_CLIENT_KEY_FILE: proofs.file(`${certificate}.key`),
    }),
    ...more,
  };
}

async function principal(given: Readonly<{ [name: string]: string }>): Promise<string> {
  const client = await connect({ env: given });
  const { principal } = client.daemon;
  client.close();
  return principal;
}

const refused = (given: Readonly<{ [name: string]: string }>) =>
  failureOf(connect({ env: given, timeoutMs: 5000 }));
const tokenOf = (name: string) => ({ PKX_TOKEN: `token-of-${name}-0123456789` });
const unproven = { code: "UNAUTHENTICATED" };

test("a certificate proves who one is, and so does a token", async () => {
  expect(await principal(env("client"))).toBe("trainer");
  expect(await principal(env(undefined, tokenOf("reader")))).toBe("reader");
  expect(await principal(env("client", tokenOf("trainer")))).toBe("trainer");
  // It names nobody, and takes nothing away from the token.
  expect(await principal(env("client-nobody", tokenOf("reader")))).toBe("reader");
});

test("a certificate of another CA, one that has expired, and one that names nobody prove nothing", async () => {
  for (const name of ["client-foreign", "client-expired", "client-nobody"]) {
    expect(await refused(env(name)), name).toMatchObject(unproven);
  }
  expect(await refused(env("client", tokenOf("reader")))).toMatchObject({
    ...unproven,
    message: expect.stringContaining("two principals"),
  });
  expect(await refused(env("client", { PKX_TOKEN: "x".repeat(20) }))).toMatchObject(unproven);
});

test("where a certificate is required, a token alone does not open the door", async () => {
  const there = { PKX_ENDPOINT: `https://127.0.0.1:${strictPort}` };
  expect(await principal(env("client", there))).toBe("trainer");
  expect(await principal(env("client-other", { ...there, ...tokenOf("admin") }))).toBe("admin");
  for (const name of [undefined, "client-foreign", "client-expired"]) {
    const failure = await refused(env(name, { ...there, ...tokenOf("admin") }));
    expect(failure, name).toMatchObject({ ...unproven, field: "PKX_CLIENT_CERT_FILE" });
  }
  expect(await refused(env("client-nobody", there))).toMatchObject({ ...unproven, field: "certificate" });
});

test("what was begun with a certificate ends with it", async () => {
  const script = resolve(import.meta.dirname, "../support/certificates.py");
  execFileSync(toolPath("python"), [script, lab.proofs.folder, "3"]);
  const client = await connect({ env: env("client-brief") });
  const began = Date.now();
  expect(await failureOf(Array.fromAsync(client.watchRuns()))).toMatchObject(unproven);
  expect(Date.now() - began).toBeLessThan(6000);
  expect(await failureOf(client.status())).toMatchObject(unproven);
  client.close();
});

test("half a certificate is told by the variable that is missing", async () => {
  const { PKX_CLIENT_KEY_FILE: _, ...half } = env("client") as { [name: string]: string };
  expect(await refused(half)).toMatchObject({ ...unproven, field: "PKX_CLIENT_KEY_FILE" });
});

test("what a client says of its principal is thrown away, and a token in several headers is none", async () => {
  const secure = credentials.createSsl(readFileSync(lab.proofs.caFile), null, null, {
    checkServerIdentity: () => undefined,
  });
  const client = new DaemonServiceClient(`127.0.0.1:${lab.port}`, secure, {
    "grpc.ssl_target_name_override": "daemon.invalid",
  });
  const hello = (...headers: [name: string, value: string][]) =>
    new Promise<HelloResponse | PipekitError>((done) => {
      const metadata = new Metadata();
      for (const [name, value] of headers) metadata.add(name, value);
      client.hello(
        { client: "test", protocolMin: 1, protocolMax: 1 },
        metadata,
        (error: ServiceError | null, answer) =>
          done(error === null ? answer : PipekitError.fromServiceError(error)),
      );
    });
  const reader = ["authorization", `Bearer ${tokenOf("reader").PKX_TOKEN}`] as [string, string];
  const admin = ["authorization", `Bearer ${tokenOf("admin").PKX_TOKEN}`] as [string, string];
  expect(await hello(reader, ["pipekit-principal", "admin"])).toMatchObject({ principal: "reader" });
  expect(await hello(["pipekit-principal", "admin"], reader)).toMatchObject({ roles: [{ role: "reader" }] });
  expect(await hello(["pipekit-principal", "socket:root"])).toMatchObject(unproven);
  // Node sends no two headers of this name; what would arrive is what HTTP joins them to.
  expect(await hello(["authorization", `${reader[1]}, ${admin[1]}`])).toMatchObject(unproven);
  client.close();

  const local = new DaemonServiceClient(lab.daemon.endpoint, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set("pipekit-principal", "admin");
  const answer = await new Promise<HelloResponse>((done, fail) => {
    const request = { client: "test", protocolMin: 1, protocolMax: 1 };
    local.hello(request, metadata, (error, found) => (error === null ? done(found) : fail(error)));
  });
  expect(answer.principal).toMatch(/^socket:/);
  local.close();
});
