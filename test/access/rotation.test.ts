/** Files of access that change under a daemon that goes on, and under clients that go on logging. */
import { readFileSync } from "node:fs";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeEach, expect, test } from "vitest";
import { drained, failureOf, Lab, replace, writePrincipals, writeToken } from "./lab.ts";

const lab = await Lab.open((proofs) =>
  ["--tls-client-ca", proofs.file("clients.pem"), "--tls-client-auth", "optional"].map((word) => {
    // A copy, which the tests replace.
    if (word === proofs.file("clients.pem")) replace(word, readFileSync(proofs.caFile, "utf8"));
    return word;
  }),
);
const { proofs } = lab;

beforeEach(() => {
  writePrincipals(proofs);
});

afterAll(() => lab.close());

const SOON = { timeout: 8000, interval: 50 };

/** Until the daemon knows what was written: it answers a token, or no more. */
function settled(name: "reader" | "trainer" | "colleague", principal: string | undefined) {
  return expect
    .poll(async () => {
      const client = await lab.connect(name, { timeoutMs: 3000 }).catch(() => undefined);
      const found = client?.daemon.principal;
      client?.close();
      return found;
    }, SOON)
    .toBe(principal);
}

async function warnings(): Promise<string[]> {
  const client = await lab.connect("admin");
  const { warnings } = await client.status();
  client.close();
  return warnings;
}

test("tokens, principals and the server's certificate rotate under load, and no point is lost", async () => {
  const trainer = await lab.connect("trainer");
  const run = await trainer.startRun({ name: "lab-rotated" });
  let step = 0;
  const logging = setInterval(() => {
    for (let i = 0; i < 20; i++) run.log({ loss: step }, step++);
  }, 5);
  // The token is another at once, for both; the client goes on by the file.
  for (let round = 1; round <= 3; round++) {
    const before = step;
    writeToken(proofs, "trainer", `token-of-trainer-round-${round}-0123456789`);
    for (const part of ["pem", "key"]) {
      replace(proofs.file(`server.${part}`), readFileSync(proofs.file(`good.${part}`), "utf8"));
    }
    await settled("trainer", "trainer");
    await expect.poll(() => step, SOON).toBeGreaterThan(before + 100);
  }
  clearInterval(logging);
  await run.end();
  const found = await trainer.getRun(run.runId);
  expect(found.points).toBe(step);
  const [series] = await trainer.readSeries(run.runId);
  expect(series?.values).toEqual(Float64Array.from({ length: step }, (_, i) => i));
  trainer.close();
}, 40_000);

test("the streams of a principal that is removed end within seconds, and its calls are refused", async () => {
  const colleague = await lab.connect("colleague");
  const run = await colleague.startRun({ name: "own-removed" });
  run.log({ loss: 1 });
  await run.flush();
  const watching = failureOf(drained(colleague.watchRuns([run.runId])));
  const following = failureOf(drained(colleague.watchMetrics(run.runId)));
  writePrincipals(proofs, ["colleague"]);
  const began = performance.now();
  for (const ended of [watching, following]) expect(await ended).toMatchObject({ code: "UNAUTHENTICATED" });
  expect(performance.now() - began).toBeLessThan(5000);
  expect(await failureOf(colleague.getRun(run.runId))).toMatchObject({ code: "UNAUTHENTICATED" });
  // What is logged meanwhile waits, and arrives when the principal is back.
  run.log({ loss: 2 });
  await expect.poll(() => run.lastError?.code, SOON).toBe("UNAUTHENTICATED");
  writePrincipals(proofs);
  await run.end();
  expect((await colleague.getRun(run.runId)).points).toBe(2);
  colleague.close();
}, 20_000);

test("roles that were taken away end what was begun with them, and frames are rejected by name", async () => {
  const colleague = await lab.connect("colleague");
  const run = await colleague.startRun({ name: "own-narrowed" });
  run.log({ loss: 1 });
  await run.flush();
  const following = drained(colleague.watchMetrics(run.runId));
  writePrincipals(proofs, [], { colleague: "{role: reader, runs: [lab-*]}" });
  expect(await failureOf(following)).toMatchObject({ code: "RUN_NOT_FOUND" });
  run.log({ loss: 2 });
  await run.flush();
  expect(run.rejected).toBe(1);
  colleague.close();
}, 20_000);

test("a file that cannot be used leaves what stood, and is told until it is mended", async () => {
  expect(await warnings()).toEqual([]);
  replace(proofs.file("principals.yaml"), "principals: [{name: evil, roles: [{role: admin}]}]\n");
  await expect.poll(warnings, SOON).toEqual([expect.stringMatching(/line 1.*still counts/)]);
  replace(proofs.file("server.key"), readFileSync(proofs.file("expired.key"), "utf8"));
  await expect.poll(warnings, SOON).toHaveLength(2);
  await settled("trainer", "trainer");
  const log = readFileSync(`${lab.daemon.stateFolder}/logs/daemon.log`, "utf8");
  expect(log).toContain("cannot be used");
  writePrincipals(proofs);
  replace(proofs.file("server.key"), readFileSync(proofs.file("good.key"), "utf8"));
  await expect.poll(warnings, SOON).toEqual([]);
}, 20_000);

test("a new certificate of the daemon is shown to who connects", async () => {
  const shown = () =>
    new Promise<string>((done, fail) => {
      const socket = connectTls({
        host: "127.0.0.1",
        port: lab.port,
        rejectUnauthorized: false,
        ALPNProtocols: ["h2"],
      });
      socket.once("error", fail).once("secureConnect", () => {
        done(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
    });
  expect(await shown()).toBe("good");
  for (const part of ["key", "pem"]) {
    replace(proofs.file(`server.${part}`), readFileSync(proofs.file(`elsewhere.${part}`), "utf8"));
  }
  await expect.poll(shown, SOON).toBe("elsewhere");
  for (const part of ["key", "pem"]) {
    replace(proofs.file(`server.${part}`), readFileSync(proofs.file(`good.${part}`), "utf8"));
  }
  await expect.poll(shown, SOON).toBe("good");
}, 20_000);

test("whom the client CA of before has vouched for must be vouched for anew, connected or not", async () => {
  const by = (name: string) => {
    const { PKX_TOKEN_FILE: _, ...env } = lab.env("trainer");
    const own = {
      PKX_CLIENT_CERT_FILE: proofs.file(`${name}.pem`),
      PKX_CLIENT_KEY_FILE: proofs.file(`${name}.key`),
    };
    return lab.connect("trainer", { env: { ...env, ...own }, timeoutMs: 5000 });
  };
  const before = await by("client");
  expect(before.daemon.principal).toBe("trainer");
  expect(await failureOf(by("client-foreign"))).toMatchObject({ code: "UNAUTHENTICATED" });
  replace(proofs.file("clients.pem"), readFileSync(proofs.file("other-ca.pem"), "utf8"));
  await before.lost();
  expect(await failureOf(before.status())).toMatchObject({ code: "UNAUTHENTICATED" });
  const after = await by("client-foreign");
  expect(after.daemon.principal).toBe("trainer");
  before.close();
  after.close();
}, 20_000);
