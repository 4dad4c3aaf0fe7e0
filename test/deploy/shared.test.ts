/** The shared daemon of the manifests, with the owners and modes that a cluster gives to volumes and secrets. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { freePort } from "../support/free-port.ts";
import { makeProofs, type Proofs } from "../support/remote-daemon.ts";
import { DEPLOY, makeBundle } from "./image.ts";
import { type Container, type ContainerProcess, canIsolate, Pod, type PodSpec } from "./pod.ts";

const BASE = join(DEPLOY, "kubernetes/base");
const set = parse(readFileSync(join(BASE, "stateful-set.yaml"), "utf8"), { version: "1.1" });
const spec: PodSpec = set.spec.template.spec;
const GROUP = spec.securityContext.fsGroup ?? 0;

let home: string;
let proofs: Proofs;
let pod: Pod;
let container: Container;
let url: string;

beforeAll(async () => {
  if (!canIsolate)
    console.warn("SKIPPED: no right to isolate: owners and modes of volumes and secrets are not tested.");
  home = mkdtempSync(join(tmpdir(), "pkx-"));
  proofs = makeProofs();
  pod = new Pod(spec, makeBundle(home));
  container = pod.container("pkx");
  url = await mountConfig();
});

afterAll(() => {
  pod.close();
  proofs.remove();
  rmSync(home, { recursive: true, force: true });
});

/** Config and secrets as they are mounted, but for the paths in the config and the port. */
async function mountConfig(): Promise<string> {
  const port = await freePort();
  const text = readFileSync(join(BASE, "config.yaml"), "utf8")
    .replaceAll(/ (\/etc\/\S+)/g, (_, path: string) => ` ${pod.place(container, path)}`)
    .replace("0.0.0.0:7443", `127.0.0.1:${port}`);
  writeFileSync(pod.place(container, "/etc/pkx/config.yaml"), text, { mode: 0o644 });
  const secrets = [
    ["tls", "tls.crt", readFileSync(proofs.file("good.pem"), "utf8")],
    ["tls", "tls.key", readFileSync(proofs.file("good.key"), "utf8")],
    ["token", "token", proofs.token],
  ] as const;
  for (const [name, key, content] of secrets) {
    const volume = set.spec.template.spec.volumes.find((one: { name: string }) => one.name === name);
    const path = join(pod.volume(name), key);
    writeFileSync(path, content);
    chmodSync(path, volume.secret.defaultMode);
    if (canIsolate) execFileSync("chown", [`0:${GROUP}`, path]);
  }
  return `https://127.0.0.1:${port}`;
}

function start(): ContainerProcess {
  return pod.start(container, ["pkx", ...(container.args ?? [])]);
}

/** What the kubelet does to a volume with fsGroup and the policy `Always`: all is the group's to read and write. */
function openToGroup(folder: string): void {
  execFileSync("chgrp", ["-R", String(GROUP), folder]);
  execFileSync("chmod", ["-R", "g+rwX", folder]);
}

test.skipIf(!canIsolate)(
  "a claim and secrets of fsGroup: it serves over TLS, again after a restart, and refuses a state folder that was opened",
  async () => {
    for (let round = 1; round <= 2; round++) {
      const daemon = start();
      await pod.untilStarted(container, daemon);
      const client = await connect({ endpoint: url, tokenFile: proofs.tokenFile, caFile: proofs.caFile });
      await client.withRun({ name: `round ${round}` }, async (run) => run.log({ loss: 1 }));
      expect(await client.status()).toMatchObject({ runs: round, points: round });
      client.close();
      expect((await pod.exec(container, container.livenessProbe.exec.command)).code).toBe(0);
      daemon.child.kill("SIGTERM");
      expect(await daemon.ended).toBe(0);
    }
    const state = pod.place(container, "/var/lib/pkx/state");
    expect(statSync(state)).toMatchObject({ uid: spec.securityContext.runAsUser, gid: GROUP });
    openToGroup(pod.volume("state"));
    const refused = start();
    expect(await refused.ended).toBe(1);
    expect(refused.output()).toContain(`chmod 700 ${state}`);
  },
);
