import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { natsStream } from "@pipekit/adapters/nats";
import { connect } from "@pipekit/experiment";
import { expect, onTestFinished, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { startNats } from "../support/nats-server.ts";
import { makeProofs } from "../support/remote-daemon.ts";

const TOKEN = "token-of-the-stream-4711";

async function daemon(env: { [name: string]: string }): Promise<TestDaemon> {
  const started = await startDaemon({ env });
  onTestFinished(async () => {
    await started.kill9();
    rmSync(started.home, { recursive: true, force: true });
  });
  return started;
}

test("over TLS, with a token from a file that is renewed; what is not trusted gets nothing, and no log shows the token", async () => {
  const proofs = makeProofs();
  onTestFinished(() => proofs.remove());
  const at = (name: string) => proofs.file(name);
  const tls = ["--tls", "--tlscert", at("good.pem"), "--tlskey", at("good.key")];
  const server = await startNats([...tls, "--auth", TOKEN]);
  onTestFinished(() => server.stop());
  const token = at("stream-token");
  writeFileSync(token, "wrong-token-of-the-stream\n", { mode: 0o600 });
  const address = (ca: string) =>
    `nats+tls://127.0.0.1:${server.port}/team?token=file:${token}&ca=file:${at(ca)}`;
  const node = await daemon({ PKX_BRIDGE: address("ca.pem") });
  const deceived = await daemon({ PKX_FAN_IN: address("other-ca.pem") });
  const centre = await daemon({ PKX_FAN_IN: address("ca.pem") });
  const client = await connect({ endpoint: node.endpoint });
  await client.withRun({ name: "secret" }, (run) => run.log({ loss: 1 }));
  const reader = await connect({ endpoint: centre.endpoint });
  await pause(500);
  expect((await reader.status()).points).toBe(0);
  writeFileSync(token, `${TOKEN}\n`, { mode: 0o600 });
  for (const until = Date.now() + 30_000; (await reader.status()).points === 0 && Date.now() < until; )
    await pause(50);
  expect((await reader.status()).points).toBe(1);
  const other = await connect({ endpoint: deceived.endpoint });
  expect((await other.status()).points).toBe(0);
  expect((await other.status()).warnings.join()).toContain("does not give frames");
  for (const one of [client, reader, other]) one.close();
  for (const { stateFolder } of [node, centre, deceived]) {
    const log = readFileSync(join(stateFolder, "logs/daemon.log"), "utf8");
    expect(log).not.toContain(TOKEN);
    expect(log).not.toContain("wrong-token");
  }
});

test.each([
  ["http://127.0.0.1/x", "no address"],
  ["nats://user:secret@127.0.0.1/x", "holds a name or password"],
  ["nats://127.0.0.1/", "names no stream"],
  ["nats://127.0.0.1/a.b", "names no stream"],
  ["nats://127.0.0.1/x?token=secret", "no reference"],
  ["nats://nats.example/x?token=env:T", "in the clear"],
  ["nats://nats.example/x?user=a&password=env:T", "in the clear"],
  ["nats://127.0.0.1/x?tokken=env:T", "unknown query key `tokken`"],
  ["nats://127.0.0.1/x?creds=env:T", "no file:/path"],
  ["nats://127.0.0.1/x?max_gb=much", "no number"],
])("%s is refused without repeating a secret", (spec, why) => {
  const parse = () => natsStream.parse(spec);
  expect(parse).toThrow(why);
  expect(parse).not.toThrow("secret@");
});

test("a stream is shown without what gives access to it", () => {
  expect(natsStream.parse("nats+tls://nats.example/x?creds=file:/etc/c.creds")).toBe(
    "nats+tls://nats.example:4222/x",
  );
  expect(natsStream.parse("nats://127.0.0.1:5/x?token=env:T&consumer=c")).toBe("nats://127.0.0.1:5/x");
});
