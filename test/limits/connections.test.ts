/** What one principal may open on a daemon that listens on TCP. */
import { readFileSync, writeFileSync } from "node:fs";
import { credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { DaemonServiceClient, PipekitError } from "@pipekit/proto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { makeProofs, type Proofs, type RemoteDaemon, startRemoteDaemon } from "../support/remote-daemon.ts";

const MOST = 2;
let proofs: Proofs;
let daemon: RemoteDaemon;

beforeAll(async () => {
  proofs = makeProofs();
  const roles = [{ role: "admin" }];
  const principals = [
    { name: "team", token: tokenOf("team"), roles, quota: { connections: MOST } },
    { name: "other", token: tokenOf("other"), roles },
  ];
  writeFileSync(proofs.file("principals.yaml"), JSON.stringify({ principals }), { mode: 0o600 });
  daemon = await startRemoteDaemon(proofs, { args: ["--principals-file", proofs.file("principals.yaml")] });
});

afterAll(async () => {
  await daemon.stop();
  proofs.remove();
});

function tokenOf(name: string): string {
  writeFileSync(proofs.file(`${name}.token`), `${name}-0123456789abcdef`, { mode: 0o600 });
  return `file:${proofs.file(`${name}.token`)}`;
}

/** A connection of its own. */
function connection(name: string) {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${name}-0123456789abcdef`);
  const secure = credentials.createSsl(readFileSync(proofs.caFile));
  const client = new DaemonServiceClient(`127.0.0.1:${daemon.port}`, secure, {
    "grpc.use_local_subchannel_pool": 1,
  });
  const status = () =>
    new Promise<PipekitError | undefined>((done) => {
      client.status({}, metadata, (error: ServiceError | null) =>
        done(error === null ? undefined : PipekitError.fromServiceError(error)),
      );
    });
  return { status, close: () => client.close() };
}

test("a principal has so many connections and no more; others go on, and one that closes makes room", async () => {
  const open = Array.from({ length: MOST }, () => connection("team"));
  for (const { status } of open) expect(await status()).toBeUndefined();
  const more = connection("team");
  expect(await more.status()).toMatchObject({
    code: "QUOTA_EXCEEDED",
    field: "connections",
    mend: expect.stringMatching(/Try again in \d+ s/),
  });
  const other = connection("other");
  expect(await other.status()).toBeUndefined();
  open[0]?.close();
  await vi.waitFor(async () => expect(await more.status()).toBeUndefined(), { timeout: 5000 });
  for (const { close } of [...open, more, other]) close();
});
