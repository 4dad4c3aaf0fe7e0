import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { hostname } from "node:os";
import { type Frame, PipekitError, RunStart, RunState } from "@pipekit/proto";
import { afterEach, expect, test } from "vitest";
import type { RunEntry } from "../../daemon/journal/journal.ts";
import { OrphanWatch } from "../../daemon/lifecycle/index.ts";

const children: ChildProcess[] = [];
const watches: OrphanWatch[] = [];
const log = { info: () => undefined, error: (fields: object) => expect.fail(JSON.stringify(fields)) };

afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.stop();
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** A journal of runs in memory that shows what was appended. */
class Runs {
  readonly entries = new Map<string, RunEntry>();
  readonly appended: Frame[] = [];
  #listener: (ids: ReadonlySet<string>) => void = () => undefined;
  #resumeListener: (ids: ReadonlySet<string>) => void = () => undefined;

  put(runId: string, start: Partial<RunStart>, state: RunEntry["state"] = "running"): void {
    const begun = RunStart.fromPartial({ host: hostname(), startedAtUs: Date.now() * 1000, ...start });
    const rest = {
      resume: undefined,
      reason: "",
      endedAtUs: 0,
      points: 0,
      tags: {},
      params: {},
      artifacts: [],
      lastPosition: 1,
      prunedAtUs: 0,
    };
    this.entries.set(runId, { runId, start: begun, state, ...rest });
  }

  commit(runId: string): void {
    this.#listener(new Set([runId]));
  }

  /** Another process goes on with the run. */
  resume(runId: string, pid: number): void {
    const entry = this.entries.get(runId);
    if (entry === undefined) throw new Error("no run");
    const by = { resumedAtUs: Date.now() * 1000, host: hostname(), client: "", reason: "", writerId: "w" };
    const lastPosition = entry.lastPosition + 1;
    this.entries.set(runId, { ...entry, state: "running", lastPosition, resume: { ...by, pid } });
    this.#resumeListener(new Set([runId]));
    this.commit(runId);
  }

  async append(frame: Frame, _: readonly string[] = [], onlyBehind?: number) {
    const entry = this.entries.get(frame.runId);
    if (entry?.state !== "running") throw new PipekitError("RUN_ENDED", "The run has ended.");
    if (onlyBehind !== undefined && onlyBehind !== entry.lastPosition) return "overtaken" as const;
    this.appended.push(frame);
    this.entries.set(frame.runId, { ...entry, state: "failed" });
    return "appended" as const;
  }

  onResume(listener: (ids: ReadonlySet<string>) => void) {
    this.#resumeListener = listener;
    return () => undefined;
  }

  async members(): Promise<never[]> {
    return [];
  }

  async run(runId: string): Promise<RunEntry> {
    const entry = this.entries.get(runId);
    if (entry === undefined) throw new PipekitError("RUN_NOT_FOUND", "No such run.");
    return entry;
  }

  async totals() {
    const none = { bytes: 0, frames: 0, points: 0, runs: 0, pointsPending: 0, deadLetters: 0 };
    return { ...none, runsRunning: (await this.runs()).length };
  }

  async runs() {
    return [...this.entries.values()].filter((entry) => entry.state === "running");
  }

  onCommit(listener: (ids: ReadonlySet<string>) => void) {
    this.#listener = listener;
    return () => undefined;
  }
}

async function child(): Promise<ChildProcess> {
  const process = spawn("sleep", ["600"], { stdio: "ignore" });
  children.push(process);
  await once(process, "spawn");
  return process;
}

/** Writers of runs as rings and spool files would show them. */
class Writers {
  /** Runs with a ring whose process lives. */
  readonly living = new Set<string>();
  /** Runs with something that a dead process left. */
  readonly left = new Set<string>();
  looks = 0;

  async lookAnew(): Promise<void> {
    this.looks++;
  }

  holds(runId: string): boolean {
    return this.living.has(runId) || this.left.has(runId);
  }

  holdsWriter(writerId: string): boolean {
    return this.living.has(writerId) || this.left.has(writerId);
  }

  livingRuns(): ReadonlySet<string> {
    return this.living;
  }
}

async function watch(journal: Runs, graceMs = 0, writers = new Writers()): Promise<OrphanWatch> {
  const watching = new OrphanWatch({ journal, writers, graceMs, intervalMs: 60_000, log });
  watches.push(watching);
  await watching.start();
  return watching;
}

test("a run whose process was killed gets an end: failed, killed, by a writer of the daemon", async () => {
  const process = await child();
  const journal = new Runs();
  journal.put("run-1", { pid: process.pid ?? 0 });
  const watching = await watch(journal);
  await watching.look();
  expect(watching.living).toBe(1);
  expect(journal.appended).toEqual([]);
  process.kill("SIGKILL");
  await once(process, "exit");
  expect(watching.living).toBe(0);
  await watching.look();
  await watching.look();
  expect(journal.appended).toHaveLength(1);
  const [frame] = journal.appended;
  expect(frame).toMatchObject({ runId: "run-1", seq: 1 });
  expect(frame?.writerId).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
  expect(frame?.records[0]?.record).toMatchObject({
    $case: "end",
    value: { state: RunState.RUN_STATE_FAILED, reason: "killed" },
  });
});

test("what a dead process left keeps the run until it is handed over", async () => {
  const process = await child();
  const journal = new Runs();
  const writers = new Writers();
  journal.put("run-1", { pid: process.pid ?? 0 });
  journal.put("run-2", { pid: process.pid ?? 0 });
  const watching = await watch(journal, 0, writers);
  process.kill("SIGKILL");
  await once(process, "exit");
  writers.left.add("run-1");
  await watching.look();
  expect(journal.appended.map(({ runId }) => runId)).toEqual(["run-2"]);
  expect(watching.living).toBe(0);
  writers.left.clear();
  await watching.look();
  expect(journal.appended.map(({ runId }) => runId)).toEqual(["run-2", "run-1"]);
  expect(writers.looks).toBeGreaterThan(0);
});

test("what a look hands over begins the grace time anew", async () => {
  const process = await child();
  const journal = new Runs();
  const writers = new Writers();
  journal.put("run-1", { pid: process.pid ?? 0 });
  const watching = await watch(journal, 0, writers);
  process.kill("SIGKILL");
  await once(process, "exit");
  writers.lookAnew = async () => journal.commit("run-1");
  await watching.look();
  expect(journal.appended).toEqual([]);
});

test("a forked child that logs keeps the run of its dead parent open", async () => {
  const process = await child();
  const journal = new Runs();
  const writers = new Writers();
  writers.living.add("run-1");
  journal.put("run-1", { pid: process.pid ?? 0 });
  const watching = await watch(journal, 0, writers);
  process.kill("SIGKILL");
  await once(process, "exit");
  await watching.look();
  expect(journal.appended).toEqual([]);
  expect(watching.living).toBe(1);
  writers.living.clear();
  await watching.look();
  expect(watching.living).toBe(0);
  expect(journal.appended).toHaveLength(1);
});

test("frames that still come keep the run for the grace time", async () => {
  const process = await child();
  const journal = new Runs();
  const watching = await watch(journal, 200);
  journal.put("run-1", { pid: process.pid ?? 0 });
  journal.commit("run-1");
  await expect.poll(() => watching.living).toBe(1);
  process.kill("SIGKILL");
  await once(process, "exit");
  journal.commit("run-1");
  await watching.look();
  await watching.look();
  expect(journal.appended).toEqual([]);
  const ended = async () => {
    await watching.look();
    return journal.appended.length;
  };
  await expect.poll(ended, { timeout: 2000 }).toBe(1);
});

test("a run that its author ends, and runs written from elsewhere, are let alone", async () => {
  const process = await child();
  const journal = new Runs();
  journal.put("mine", { pid: process.pid ?? 0 });
  journal.put("other-host", { pid: 4_000_000, host: "elsewhere" });
  journal.put("unknown", { pid: 0 });
  const watching = await watch(journal);
  expect(watching.living).toBe(1);
  journal.put("mine", { pid: process.pid ?? 0 }, "completed");
  journal.commit("mine");
  await watching.look();
  expect(watching.living).toBe(0);
  process.kill("SIGKILL");
  await once(process, "exit");
  await watching.look();
  expect(journal.appended).toEqual([]);
});

test("a run that is resumed is kept by its new process, and ended when that is gone too", async () => {
  const [first, second] = await Promise.all([child(), child()]);
  const journal = new Runs();
  for (const runId of ["killed", "ended", "silent"]) journal.put(runId, { pid: first.pid ?? 0 });
  journal.put("elsewhere", { pid: 4_000_000, host: "elsewhere" });
  const watching = await watch(journal);
  journal.put("ended", { pid: first.pid ?? 0 }, "completed");
  journal.commit("ended");
  await watching.look();
  journal.resume("silent", second.pid ?? 0);
  first.kill("SIGKILL");
  await once(first, "exit");
  await watching.look();
  const ended = () => journal.appended.map(({ runId }) => runId).sort();
  await expect.poll(() => watching.living).toBe(1);
  expect(ended()).toEqual(["killed"]);
  for (const runId of ["killed", "ended", "elsewhere"]) journal.resume(runId, second.pid ?? 0);
  await expect.poll(() => watching.living).toBe(4);
  for (let i = 0; i < 3; i++) await watching.look();
  expect(ended()).toEqual(["killed"]);
  second.kill("SIGKILL");
  await once(second, "exit");
  for (let i = 0; i < 3; i++) await watching.look();
  expect(ended()).toEqual(["elsewhere", "ended", "killed", "killed", "silent"]);
});

test("a run that is resumed while its end is on the way goes on", async () => {
  const [first, second] = await Promise.all([child(), child()]);
  const journal = new Runs();
  journal.put("run-1", { pid: first.pid ?? 0 });
  const watching = await watch(journal);
  first.kill("SIGKILL");
  await once(first, "exit");
  const append = journal.append.bind(journal);
  journal.append = async (...args) => {
    journal.resume("run-1", second.pid ?? 0);
    return append(...args);
  };
  await watching.look();
  await expect.poll(() => watching.living).toBe(1);
  expect(journal.appended).toEqual([]);
});

test("a process that got the pid of the writer after it died does not keep the run", async () => {
  const process = await child();
  const journal = new Runs();
  const hourAgo = (Date.now() - 3600e3) * 1000;
  journal.put("run-1", { pid: process.pid ?? 0, startedAtUs: hourAgo });
  const watching = await watch(journal);
  expect(watching.living).toBe(0);
  await watching.look();
  expect(journal.appended).toHaveLength(1);
});

test("a zombie is not alive", async () => {
  // The shell never waits for its child.
  const shell = spawn("sh", ["-c", "sleep 0.01 & echo $!; exec sleep 600"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  children.push(shell);
  const [line] = await once(shell.stdout, "data");
  const journal = new Runs();
  const watching = await watch(journal);
  journal.put("run-1", { pid: Number(String(line)) });
  journal.commit("run-1");
  const ended = async () => {
    await watching.look();
    return journal.appended.length;
  };
  await expect.poll(ended, { timeout: 3000 }).toBe(1);
});

test("a run that was committed counts once the watch has caught up", async () => {
  const process = await child();
  const journal = new Runs();
  const watching = await watch(journal);
  journal.put("run-1", { pid: process.pid ?? 0 });
  const lookUp = journal.run.bind(journal);
  journal.run = (runId) => new Promise((done) => setImmediate(() => done(lookUp(runId))));
  journal.commit("run-1");
  expect(watching.living).toBe(0);
  await watching.caughtUp();
  expect(watching.living).toBe(1);
});
