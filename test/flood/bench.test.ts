/** Figures of every attack, by hand: `PKX_FLOOD_BENCH=1 vitest run test/flood/bench.test.ts`. */
import { test } from "vitest";
import { makeProofs, startRemoteDaemon } from "../support/remote-daemon.ts";
import { rssOf, trainer, under, watchFor } from "./trainer.ts";

const ATTACKS = [
  ...["tcp", "half-hello", "handshake", "silent", "reconnect", "slow-headers", "bodies", "streams"],
  ...["rapid-reset", "pings", "settings", "continuation", "wrong-token", "unknown-method", "garbage"],
  ...["calls", "deaf-calls", "deaf-pings"],
];
const FOR_MS = Number(process.env["PKX_FLOOD_MS"] ?? 4000);

test.runIf(process.env["PKX_FLOOD_BENCH"])(
  "what 200 hostile connections do to a trainer on the socket",
  async () => {
    const proofs = makeProofs();
    const only = process.env["PKX_FLOOD_ONLY"];
    for (const attack of only === undefined ? ATTACKS : only.split(",")) {
      const daemon = await startRemoteDaemon(proofs);
      const client = await trainer(daemon);
      const before = await watchFor(client, daemon, FOR_MS / 2);
      const token = /calls$/.test(attack) ? proofs.token : "";
      const work = () => watchFor(client, daemon, FOR_MS);
      const { seen, done } = await under(attack, daemon.port, 200, work, token);
      const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
      const ms = (time: number) => time.toFixed(1);
      process.stdout.write(
        `${attack.padEnd(14)} p50 ${ms(before.p50)} -> ${ms(seen.p50)}  p99 ${ms(before.p99)} -> ${ms(seen.p99)} ms` +
          `  RSS ${mib(before.rss)} -> ${mib(seen.rss)} MiB, after ${mib(rssOf(daemon.pid))}` +
          `  opened ${done.opened} closed ${done.closed} sent ${mib(done.bytes)} MiB\n`,
      );
      client.close();
      await daemon.stop();
    }
    proofs.remove();
  },
  600_000,
);
