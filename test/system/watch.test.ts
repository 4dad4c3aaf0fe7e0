import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { hostname } from "node:os";
import { PipekitError, RunStart } from "@pipekit/proto";
import { pino } from "pino";
import { ulid } from "ulid";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Gpus } from "../../daemon/system/gpus.ts";
import { HostUsage } from "../../daemon/system/host.ts";
import { SystemWatch } from "../../daemon/system/index.ts";
import { ProcessTree } from "../../daemon/system/process-tree.ts";
import { RpcRoom, Writer } from "../rpc/room.ts";

const log = pino({ level: "silent" });
const onLinux = process.platform === "linux";
let room: RpcRoom;
let watches: SystemWatch[];
let trainers: ChildProcess[];

beforeEach(async () => {
  room = await RpcRoom.open(async () => {
    throw new Error("no folder is opened");
  });
  watches = [];
  trainers = [];
});

afterEach(async () => {
  for (const watch of watches) await watch.stop();
  for (const trainer of trainers) trainer.kill("SIGKILL");
  await room.close();
});

async function watch(admit = async () => {}): Promise<SystemWatch> {
  const gpus = new Gpus(log, "/nonexistent/nvidia-smi");
  const made = new SystemWatch({ journal: room.journal, admit, log, gpus });
  watches.push(made);
  await made.start();
  return made;
}

/** A process that burns a core in a child of its own. */
function trainer(): ChildProcess {
  const child = spawn("sh", ["-c", "(while :; do :; done) & wait"], { stdio: "ignore", detached: true });
  trainers.push(child);
  const { kill } = child;
  child.kill = (signal) => {
    try {
      process.kill(-(child.pid ?? 0), signal ?? "SIGTERM");
    } catch {
      return kill.call(child, signal);
    }
    return true;
  };
  return child;
}

function sampled(pid: number, fields: object = {}): Promise<Writer> {
  return room.start({ host: hostname(), pid, systemMetricsIntervalMs: 1, ...fields });
}

async function steps({ runId }: Writer, key = "system/cpu_utilization_percentage"): Promise<number[]> {
  const found: number[] = [];
  for await (const chunk of room.journal.readMetrics({ runId, keys: [key], maxPoints: 0 })) {
    found.push(...Array.from(chunk.steps, Number));
  }
  return found;
}

async function until(done: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 15_000; !(await done()); ) {
    if (Date.now() > deadline) throw new Error("It does not happen.");
    await new Promise((next) => setTimeout(next, 50));
  }
}

test("a run of this host is sampled until it ends, with steps that go on rising after a restart", async () => {
  const first = await watch();
  const run = await sampled(trainer().pid ?? 0);
  const elsewhere = await sampled(1, { host: "elsewhere" });
  const unasked = await sampled(process.pid, { systemMetricsIntervalMs: 0 });
  await until(async () => (await steps(run)).length >= 2);
  await first.stop();
  const before = (await steps(run)).length;
  await watch();
  await until(async () => (await steps(run)).length > before);
  await run.end();
  const series = await room.journal.series(run.runId);
  const keys = series.map(({ key }) => key.replace("system/", ""));
  expect(keys).toEqual(
    expect.arrayContaining(["cpu_utilization_percentage", "system_memory_usage_megabytes"]),
  );
  if (onLinux) {
    expect(keys).toEqual(
      expect.arrayContaining(["network_receive_megabytes", "process_memory_usage_megabytes"]),
    );
    const cpu = series.find(({ key }) => key === "system/process_cpu_utilization_percentage");
    expect(cpu?.maxValue).toBeGreaterThan(5);
  }
  const all = await steps(run);
  expect(all).toEqual(all.map((_, index) => index));
  // The next sample finds the run ended, and there is none after it.
  await new Promise((next) => setTimeout(next, 1300));
  expect(await steps(run)).toEqual(all);
  for (const other of [elsewhere, unasked]) expect((await room.journal.run(other.runId)).points).toBe(0);
}, 30_000);

test("a run whose process is gone is sampled no more, and a full disk costs samples only", async () => {
  let isFull = true;
  await watch(async () => {
    if (isFull) throw new PipekitError("STORAGE_FULL", "Full.");
  });
  const child = trainer();
  const run = await sampled(child.pid ?? 0);
  await new Promise((next) => setTimeout(next, 1500));
  isFull = false;
  await until(async () => (await steps(run)).length >= 1);
  expect((await steps(run))[0]).toBeGreaterThan(0);
  child.kill("SIGKILL");
  await once(child, "exit");
  const { length } = await steps(run);
  await new Promise((next) => setTimeout(next, 2300));
  expect((await steps(run)).length).toBeLessThanOrEqual(length + 1);
}, 30_000);

test("a run that is resumed is sampled by the process that goes on with it, with steps that go on", async () => {
  await watch();
  const child = trainer();
  const run = await sampled(child.pid ?? 0);
  await until(async () => (await steps(run)).length >= 1);
  await run.end();
  child.kill("SIGKILL");
  await once(child, "exit");
  // The sampler has found that its run has ended, and its process is gone.
  await new Promise((next) => setTimeout(next, 1300));
  const before = (await steps(run)).length;
  await new Writer(room, run.runId).resume({}, trainer().pid);
  await until(async () => (await steps(run)).length > before);
  const all = await steps(run);
  expect(all).toEqual(all.map((_, index) => index));
}, 30_000);

test.runIf(onLinux)(
  "the values are those of the machine, and a sample costs far less than 1 % of a core",
  async () => {
    const host = new HostUsage();
    const child = trainer();
    const tree = new ProcessTree(child.pid ?? 0);
    // The one that burns is a child of the one that was named.
    await until(async () => (tree.sample().get("system/process_cpu_utilization_percentage") ?? 0) > 10);
    const usage = Object.fromEntries(await host.sample());
    expect(usage["system/cpu_utilization_percentage"]).toBeGreaterThan(1);
    expect(usage["system/system_memory_usage_percentage"]).toBeGreaterThan(0);
    expect(usage["system/disk_usage_percentage"]).toBeLessThanOrEqual(100);
    child.kill("SIGKILL");
    const before = process.cpuUsage();
    for (let i = 0; i < 20; i++) {
      await host.sample();
      tree.sample();
    }
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 20 / 1e6).toBeLessThan(0.01);
  },
);

test("ranks of a group on one host are sampled by rank, and their host once, under its name", async () => {
  await watch();
  const runId = ulid();
  const host = hostname();
  for (const rank of [0, 1]) {
    const member = { group: "job", rank, worldSize: 2 };
    const value = RunStart.fromPartial({
      name: "wide",
      startedAtUs: Date.now() * 1000,
      host,
      pid: trainer().pid ?? 0,
      systemMetricsIntervalMs: 1,
      member,
    });
    await new Writer(room, runId).append({ $case: "start", value });
  }
  const ofRank = (rank: number) => `system/${host}/rank${rank}/process_memory_usage_megabytes`;
  const keys = async () => new Set((await room.journal.series(runId)).map(({ key }) => key));
  await until(async () => (await keys()).has(ofRank(0)) && (await keys()).has(ofRank(1)));
  expect(
    [...(await keys())].filter((key) => key.includes("process_")).every((key) => key.includes("/rank")),
  ).toBe(true);
  await until(async () => (await keys()).has(`system/${host}/cpu_utilization_percentage`));
  const series = await room.journal.series(runId);
  const samples = (key: string) => series.find((one) => one.key === key)?.points ?? 0;
  expect(samples(`system/${host}/system_memory_usage_megabytes`)).toBeLessThanOrEqual(samples(ofRank(0)) + 1);
});
