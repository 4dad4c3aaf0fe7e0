/** The sidecar of the manifests, its processes in the order in which the kubelet starts and ends them. */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { type FakeMlflow, startFakeMlflow } from "../support/fake-mlflow.ts";
import { toolPath } from "../support/tools.ts";
import { DEPLOY, makeBundle } from "./image.ts";
import { type Container, type ContainerProcess, canIsolate, Pod, type PodSpec } from "./pod.ts";

const POINTS = 200;
/** Beside those of the loop: the last checkpoint's. */
const LAST = 5;
const TRAINER = join(import.meta.dirname, "trainer.py");

const job = parse(readFileSync(join(DEPLOY, "kubernetes/sidecar/sidecar.yaml"), "utf8"));
const spec: PodSpec = job.spec.template.spec;

let home: string;
let program: string;
let mlflow: FakeMlflow;
let pod: Pod;
let sidecar: Container;

beforeAll(() => {
  if (!canIsolate)
    console.warn(
      "SKIPPED: no right to isolate: the user and the read-only root folder of the pod are not tested.",
    );
  home = mkdtempSync(join(tmpdir(), "pkx-"));
  program = makeBundle(home);
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

beforeEach(async () => {
  mlflow = await startFakeMlflow();
  pod = new Pod(spec, program);
  sidecar = pod.container("pkx");
});

afterEach(async () => {
  pod.close();
  await mlflow.close();
});

async function startDaemon(more: NodeJS.ProcessEnv = {}): Promise<ContainerProcess> {
  const daemon = pod.start(sidecar, ["pkx", ...(sidecar.args ?? [])], more);
  await pod.untilStarted(sidecar, daemon);
  return daemon;
}

/** Starts a trainer that stays until SIGTERM, or ends after its loop; resolves once it has logged all points of that. */
async function startTrainer(stays: boolean): Promise<{ trainer: ContainerProcess; runId: string }> {
  const sink = `mlflow+http://${mlflow.host}/pod`;
  const command = [toolPath("python"), TRAINER, String(POINTS), sink, ...(stays ? ["stay"] : [])];
  const trainer = pod.start(pod.container("trainer"), command);
  const isThere = () => expect(trainer.output()).toContain(`logged ${POINTS}\n`);
  await vi.waitFor(isThere, { timeout: 20_000, interval: 20 });
  return { trainer, runId: /^started (\S+)$/m.exec(trainer.output())?.[1] ?? "" };
}

/** From now on the tracker is away; `asked` resolves at the next request. */
function takeAway(): { asked: () => Promise<void>; bringBack: () => void } {
  let tell = (): void => undefined;
  mlflow.misbehave(() => {
    tell();
    return { kind: "reset" };
  });
  return {
    asked: () =>
      new Promise((done) => {
        tell = done;
      }),
    bringBack: () => mlflow.misbehave(() => undefined),
  };
}

function shown(runId: string) {
  const runs = mlflow.runsOf(runId);
  expect(runs).toHaveLength(1);
  return { status: runs[0]?.status, steps: runs[0]?.points.map(({ step }) => step).sort((a, b) => a - b) };
}

function steps(count: number): number[] {
  return Array.from({ length: count }, (_, step) => step);
}

test("probes pass, the folders are closed, and the last wait fits into the grace period", async () => {
  const daemon = await startDaemon();
  for (const { exec } of [sidecar.startupProbe, sidecar.livenessProbe, sidecar.readinessProbe]) {
    expect(await pod.exec(sidecar, exec.command)).toEqual({ code: 0, output: "serving\n" });
  }
  for (const path of ["/var/lib/pkx/state", "/run/pkx/run"]) {
    const { mode, uid } = statSync(pod.place(sidecar, path));
    expect(mode & 0o777).toBe(0o700);
    if (canIsolate) expect(uid).toBe(spec.securityContext.runAsUser);
  }
  if (canIsolate) {
    const { code, output } = await pod.exec(sidecar, ["sh", "-c", "touch /home/x /opt/x || id -u"]);
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringMatching(/Read-only.*10001$/ms) });
  }
  const drainS = Number(sidecar.env?.find(({ name }) => name === "PKX_DRAIN_S")?.value);
  const waitS = Number(sidecar.lifecycle.preStop.exec.command.at(-1));
  expect(waitS + drainS).toBeLessThan(spec.terminationGracePeriodSeconds);
  daemon.child.kill("SIGTERM");
  expect(await daemon.ended).toBe(0);
  expect((await pod.exec(sidecar, sidecar.livenessProbe.exec.command)).code).toBe(5);
});

test("the Job completes while its tracker is away: preStop waits until it has everything", async () => {
  const daemon = await startDaemon();
  const tracker = takeAway();
  const { trainer, runId } = await startTrainer(false);
  expect(await trainer.ended).toBe(0);
  const preStop = pod.start(sidecar, sidecar.lifecycle.preStop.exec.command);
  await tracker.asked();
  expect(preStop.child.exitCode).toBeNull();
  tracker.bringBack();
  expect(await preStop.ended).toBe(0);
  expect(shown(runId)).toEqual({ status: "FINISHED", steps: steps(POINTS) });
  daemon.child.kill("SIGTERM");
  expect(await daemon.ended).toBe(0);
});

test("the pod is deleted: preStop begins at once, and the trainer's last points come before its end", async () => {
  const daemon = await startDaemon();
  const { trainer, runId } = await startTrainer(true);
  const preStop = pod.start(sidecar, sidecar.lifecycle.preStop.exec.command);
  let waits = true;
  preStop.ended.finally(() => {
    waits = false;
  });
  // Takes about as long as it takes preStop to look while the trainer still runs.
  expect(await pod.exec(sidecar, ["pkx", "status"])).toMatchObject({ code: 0 });
  expect(waits).toBe(true);
  trainer.child.kill("SIGTERM");
  expect(await trainer.ended).toBe(0);
  expect(await preStop.ended).toBe(0);
  expect(shown(runId)).toEqual({ status: "FINISHED", steps: steps(POINTS + LAST) });
  daemon.child.kill("SIGTERM");
  expect(await daemon.ended).toBe(0);
});

test("without preStop, SIGTERM alone waits for the trainer and for a tracker that is away", async () => {
  const daemon = await startDaemon();
  const tracker = takeAway();
  const { trainer, runId } = await startTrainer(true);
  daemon.child.kill("SIGTERM");
  trainer.child.kill("SIGTERM");
  expect(await trainer.ended).toBe(0);
  await tracker.asked();
  tracker.bringBack();
  expect(await daemon.ended).toBe(0);
  expect(daemon.output()).not.toContain("not delivered");
  expect(shown(runId)).toEqual({ status: "FINISHED", steps: steps(POINTS + LAST) });
});

test("the trainer is killed as by the OOM killer: all that it logged is delivered, and its run has ended", async () => {
  const daemon = await startDaemon({ PKX_ORPHAN_GRACE_S: "1" });
  const { trainer, runId } = await startTrainer(true);
  // Through its isolation: the kernel kills the process itself.
  trainer.child.kill("SIGKILL");
  await trainer.ended;
  const preStop = pod.start(sidecar, sidecar.lifecycle.preStop.exec.command);
  expect(await preStop.ended).toBe(0);
  daemon.child.kill("SIGTERM");
  expect(await daemon.ended).toBe(0);
  expect(shown(runId)).toEqual({ status: "KILLED", steps: steps(POINTS) });
});

test("a tracker that stays away: the wait ends, the daemon says what is left, and the next pod with the volume delivers it", async () => {
  const first = await startDaemon({ PKX_DRAIN_S: "1" });
  const tracker = takeAway();
  const { trainer, runId } = await startTrainer(false);
  expect(await trainer.ended).toBe(0);
  first.child.kill("SIGTERM");
  expect(await first.ended).toBe(0);
  expect(first.output()).toMatch(
    /0 runs have not ended, 200 points are not delivered; they stay journaled in \//,
  );
  tracker.bringBack();
  const second = await startDaemon();
  expect((await pod.exec(sidecar, ["pkx", "wait", "--timeout", "20"])).code).toBe(0);
  expect(shown(runId)).toEqual({ status: "FINISHED", steps: steps(POINTS) });
  second.child.kill("SIGTERM");
  expect(await second.ended).toBe(0);
});

test("a second signal cuts the wait short", async () => {
  const daemon = await startDaemon();
  const tracker = takeAway();
  const { trainer } = await startTrainer(false);
  expect(await trainer.ended).toBe(0);
  daemon.child.kill("SIGTERM");
  await tracker.asked();
  daemon.child.kill("SIGTERM");
  expect(await daemon.ended).toBe(0);
  expect(daemon.output()).toContain("200 points are not delivered");
});
