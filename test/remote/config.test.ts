import { chmodSync, writeFileSync } from "node:fs";
import { PipekitError } from "@pipekit/proto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadConfig } from "../../daemon/config/index.ts";
import { makeProofs, type Proofs } from "../support/remote-daemon.ts";

let proofs: Proofs;

beforeAll(() => {
  proofs = makeProofs();
});

afterAll(() => proofs.remove());

function settings(more: { readonly [name: string]: string | undefined } = {}) {
  return {
    listen: "127.0.0.1:7443",
    tls_cert: proofs.file("good.pem"),
    tls_key: proofs.file("good.key"),
    token_file: proofs.tokenFile,
    ...more,
  };
}

async function fault(given: { readonly [name: string]: string | undefined }): Promise<PipekitError> {
  const env = { XDG_CONFIG_HOME: proofs.folder };
  const error = await loadConfig(given, env).catch((e: unknown) => e);
  if (!(error instanceof PipekitError)) throw new Error("no failure");
  expect(error.code).toBe("INVALID_DAEMON_CONFIG");
  expect(`${error.message} ${error.mend}`).not.toContain(proofs.token);
  return error;
}

test("all four settings make the daemon reachable over TCP, and it does not leave when idle", async () => {
  const env = { XDG_CONFIG_HOME: proofs.folder };
  const config = await loadConfig(settings(), env);
  expect(config).toMatchObject({ idleExitS: 0, remote: { address: "127.0.0.1:7443" } });
  const find = (token: string) => config.remote?.access.find({ token, identities: [] });
  expect(find(proofs.token)).toMatchObject({ name: "token", roles: [{ role: "admin" }] });
  for (const wrong of ["", proofs.token.slice(1), `${proofs.token}x`]) {
    expect(find(wrong)).toBe("unknown token");
  }
  expect(await loadConfig(settings({ idle_exit_s: "5" }), env)).toMatchObject({ idleExitS: 5 });
  const variables = Object.entries(settings()).map(([name, value]) => [`PKX_${name.toUpperCase()}`, value]);
  const byVariables = await loadConfig({}, { ...env, ...Object.fromEntries(variables) });
  expect(byVariables.remote?.address).toBe("127.0.0.1:7443");
});

test("none of them is fine, and so is the variable that is the clients', too", async () => {
  const env = { XDG_CONFIG_HOME: proofs.folder };
  expect(await loadConfig({}, env)).toMatchObject({ remote: undefined, idleExitS: 900 });
  expect((await loadConfig({}, { ...env, PKX_TOKEN_FILE: "/no/such" })).remote).toBeUndefined();
});

test("one that is missing is named", async () => {
  for (const name of Object.keys(settings())) {
    expect(await fault(settings({ [name]: undefined }))).toMatchObject({ field: name });
  }
});

test("what cannot be used is named", async () => {
  const short = proofs.file("short");
  writeFileSync(short, "0123456789abcde\n", { mode: 0o600 });
  const words = proofs.file("words");
  writeFileSync(words, "a token of several words", { mode: 0o600 });
  const open = proofs.file("open");
  writeFileSync(open, proofs.token, { mode: 0o600 });
  chmodSync(open, 0o640);
  const openKey = proofs.file("open.key");
  writeFileSync(openKey, "key");
  chmodSync(openKey, 0o644);
  for (const [name, value] of [
    ...["7443", "host", "host:0", "host:65536", "http://h:1", "a b:1"].map((text) => ["listen", text]),
    ...["relative.pem", "/no/such.pem", proofs.tokenFile].map((path) => ["tls_cert", path]),
    ...["/no/such.key", openKey, proofs.file("expired.key"), proofs.tokenFile].map((path) => [
      "tls_key",
      path,
    ]),
    ...["/no/such", short, words, open].map((path) => ["token_file", path]),
  ] as [string, string][]) {
    expect(await fault(settings({ [name]: value })), `${name} ${value}`).toMatchObject({ field: name });
  }
});
