import { connect, tokenAuthenticator } from "@nats-io/transport-node";
import { startNats } from "../support/nats-server.ts";
import { makeProofs } from "../support/remote-daemon.ts";
const p = makeProofs();
for (const tls of [true]) {
  const s = await startNats([...(tls ? ["--tls", "--tlscert", p.file("good.pem"), "--tlskey", p.file("good.key")] : []), "--auth", "right"]);
  let token = process.argv[2] ?? "wrong";
  const t = connect({ servers: `127.0.0.1:${s.port}`, tls: tls ? { caFile: p.file("ca.pem") } : null, waitOnFirstConnect: process.argv[3] !== "no", debug: process.argv[4] === "d", maxReconnectAttempts: -1, reconnectTimeWait: 300, ignoreAuthErrorAbort: true, authenticator: tokenAuthenticator(() => token) });
  t.then((c) => console.log(tls, "connected", c.getServer()), (e) => console.log(tls, "rejected", e.message));
  await new Promise((r) => setTimeout(r, 1500));
  token = "right";
  await new Promise((r) => setTimeout(r, 2500));
  await s.stop();
}
p.remove();
process.exit(0);
