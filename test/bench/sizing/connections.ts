/** One daemon that many clients share over TLS: what each of them costs, at rest and logging. */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CONNECTION_LIMITS, DAEMON_QUOTA, DEFAULT_QUOTA } from "../../../daemon/limits/index.ts";
import { makeProofs, type Proofs, startRemoteDaemon } from "../../support/remote-daemon.ts";
import { BUNDLE } from "../bundle.ts";
import { type Cost, costOf, mib } from "../process-cost.ts";
import type { Done, Order } from "./crowd.ts";
import { lineThrough, type Section } from "./section.ts";

const STEPS = [100, 500, 1000];
/** Of one principal: fewer than what it may have open by default. */
const EACH = 50;
const SETTLED_MS = 7000;
const CALM_MS = 4000;
const LOG_S = 10;

interface Seen {
  readonly clients: number;
  /** Processor time of the daemon to take one more, seconds. */
  readonly openS: number;
  readonly rest: Cost;
  readonly busy: Cost;
  readonly acks: Done;
}

export async function sharedDaemon(): Promise<Section> {
  const proofs = makeProofs();
  const tokens = writePrincipals(proofs, Math.max(...STEPS) / EACH);
  const args = ["--principals-file", proofs.file("principals.yaml")];
  const daemon = await startRemoteDaemon(proofs, { script: BUNDLE, args });
  const crowd = fork(join(import.meta.dirname, "crowd.ts"), [daemon.url, proofs.caFile, tokens], {
    execArgv: ["ExperimentalWarning", "DEP0123"].map((name) => `--disable-warning=${name}`),
  });
  const seen: Seen[] = [];
  try {
    await delay(SETTLED_MS);
    const none = await costOf(daemon.pid, () => delay(CALM_MS));
    for (const clients of STEPS) {
      const opening = await costOf(daemon.pid, () => asked(crowd, { kind: "grow", clients }));
      const before = seen.at(-1)?.clients ?? 0;
      const openS = opening.cpuS / (clients - before);
      const rest = await costOf(daemon.pid, () => delay(CALM_MS));
      let acks: Done | undefined;
      const busy = await costOf(daemon.pid, async () => {
        acks = await asked(crowd, { kind: "log", seconds: LOG_S });
      });
      if (acks !== undefined) seen.push({ clients, openS, rest, busy, acks });
    }
    return section(none, seen);
  } finally {
    crowd.kill();
    await daemon.stop();
    proofs.remove();
  }
}

/** Principals that may do all of a trainer; returns the file of their tokens. */
function writePrincipals(proofs: Proofs, count: number): string {
  const tokens = Array.from({ length: count }, () => randomBytes(24).toString("hex"));
  const lines = tokens.flatMap((token, i) => {
    writeFileSync(proofs.file(`token-${i}`), token, { mode: 0o600 });
    return [
      `  - name: team${i}`,
      `    token: file:${proofs.file(`token-${i}`)}`,
      '    roles: [{role: writer, runs: ["*"], tags: ["*"], registries: [default]}]',
    ];
  });
  writeFileSync(proofs.file("principals.yaml"), ["principals:", ...lines, ""].join("\n"), { mode: 0o600 });
  writeFileSync(proofs.file("tokens"), tokens.join("\n"), { mode: 0o600 });
  return proofs.file("tokens");
}

async function asked(crowd: ChildProcess, order: Order): Promise<Done> {
  crowd.send(order);
  const [answer] = await Promise.race([
    once(crowd, "message"),
    once(crowd, "exit").then(() => Promise.reject(new Error("The crowd has ended."))),
  ]);
  return answer as Done;
}

function section(none: Cost, seen: readonly Seen[]): Section {
  const share = ({ cpuS, wallS }: Cost) => cpuS / wallS;
  const cores = (value: number) => `${(100 * value).toFixed(1)} %`;
  const rows = seen.map(({ clients, openS, rest, busy, acks }) => [
    `${clients}`,
    milliseconds(openS),
    mib(rest.peak),
    cores(share(rest)),
    mib(busy.peak),
    cores(share(busy)),
    milliseconds(frameS(busy, acks)),
    `${Math.round(acks.acks / busy.wallS)}/s`,
    `${acks.p50.toFixed(1)} / ${acks.p99.toFixed(1)} ms`,
  ]);
  const memory = lineThrough(seen.map(({ clients, busy }) => ({ x: clients, y: busy.peak })));
  const last = seen.at(-1);
  const most = CONNECTION_LIMITS.connections;
  const frame = last === undefined ? Number.NaN : frameS(last.busy, last.acks);
  const { calls, connections } = DEFAULT_QUOTA;
  return {
    title: "Clients of one shared daemon, over TLS",
    header: [
      "clients",
      "to open one",
      "memory, calm",
      "of a core, calm",
      "memory, logging",
      "of a core, logging",
    ].concat(["a frame", "frames", "until on disk, p50 / p99"]),
    rows: [["0", "", mib(none.peak), cores(share(none)), "", "", "", "", ""], ...rows],
    note:
      'A client is a connection, a run and an open stream; "logging" is a row of ten values a second, a frame each. ' +
      `A straight line through the memory: ${mib(memory.at0)} and ${(memory.slope / 1024).toFixed(0)} KiB for each client. ` +
      `Extrapolated to ${most} clients: ${mib(memory.at0 + memory.slope * most)}, and ${cores(frame * most)} of a core at what a frame took last. ` +
      `A daemon takes no more than ${most} connections and ${DAEMON_QUOTA.calls} calls at a time; of one principal, by default, ${connections} and ${calls}.`,
  };
}

function frameS({ cpuS }: Cost, { acks }: Done): number {
  return cpuS / acks;
}

const milliseconds = (s: number) => `${(1000 * s).toFixed(2)} ms`;
