/**
 * No more files can be opened, for a while: by the daemon, with several runs, sinks, files and clients, or by the training
 * process. Errors pass, nothing acknowledged is lost, log() raises nothing, and all goes on by itself.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Client, connect } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { CREDENTIALS, SCHEMES, SixDestinations, WHOLE } from "./destinations.ts";
import { environment, type Logged, runUntil } from "./trainer.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const LIMITS = JSON.stringify({ backoffBaseMs: 50, backoffCapMs: 500, probeCapMs: 500 });
const RUNS = 3;

let six: SixDestinations;

beforeAll(async () => {
  six = await SixDestinations.start();
});

afterAll(() => six.close());

interface LoggedFiles extends Logged {
  readonly files: number;
}

/** Runs trainer_files.py to its end. */
async function train(
  home: string,
  folder: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  onRun: () => void = () => undefined,
): Promise<{ runId: string; logged: LoggedFiles; stderr: string }> {
  mkdirSync(folder);
  const [rows = "", pauseMs = "", every = "", ...sinks] = args;
  const child = spawn(
    join(ROOT, ".venv/bin/python"),
    [join(import.meta.dirname, "trainer_files.py"), rows, pauseMs, every, folder, ...sinks],
    { env: { ...process.env, ...environment(home), ...env }, stdio: ["ignore", "pipe", "pipe"] },
  );
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk;
    if (stdout.startsWith("run ")) onRun();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  expect(code, stderr).toBe(0);
  const [first = "", last = ""] = stdout.trim().split("\n");
  return { runId: first.slice(4), logged: JSON.parse(last), stderr };
}

/** Lets a process open so many files more than it has open; undefined for as many as it may. */
function allow(pid: number, more: number | undefined): void {
  const open = readdirSync(`/proc/${pid}/fd`).length;
  const hard = execFileSync("prlimit", [
    "--pid",
    String(pid),
    "--nofile",
    "--noheadings",
    "--output",
    "HARD",
  ]);
  execFileSync("prlimit", [
    "--pid",
    String(pid),
    `--nofile=${more === undefined ? hard.toString().trim() : open + more}:`,
  ]);
}

async function expectWhole(client: Client, runId: string, { counts, files }: LoggedFiles): Promise<void> {
  const run = await runUntil(client, runId, ({ sinks }) => sinks.every((sink) => sink.pointsShown >= 0));
  const points = counts["a"] ?? 0;
  expect(run.artifacts).toHaveLength(files);
  for (const sink of run.sinks) {
    expect(sink).toMatchObject({ pointsSent: points, pointsDead: 0, pointsShown: points });
  }
  const { deadLetters } = await client.sinkStatus(runId);
  expect(deadLetters.map(({ kind, reason, spec }) => `${kind} ${spec}: ${reason}`)).toEqual([]);
  const copies = Object.fromEntries(SCHEMES.map((scheme) => [scheme, WHOLE]));
  expect(await six.damage(runId, counts)).toEqual(copies);
}

async function withDaemon(use: (home: string, daemon: TestDaemon, client: Client) => Promise<void>) {
  const home = temporaryHome();
  const script = join(import.meta.dirname, "crashing-daemon.ts");
  const daemon = await startDaemon({ home, script, env: { ...CREDENTIALS, PKX_TEST_LIMITS: LIMITS } });
  const client = await connect({ endpoint: daemon.endpoint });
  try {
    await use(home, daemon, client);
  } finally {
    client.close();
    await daemon.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

test.each([0, 3])(
  "the daemon may open %i files more for a while: all arrives once it may again",
  {
    timeout: 120_000,
  },
  async (more) => {
    await withDaemon(async (home, daemon, client) => {
      const sinks = Object.values(six.specs);
      const begun = Array.from({ length: RUNS }, () => Promise.withResolvers<void>());
      const trainers = begun.map(({ resolve: onRun }, i) =>
        train(
          home,
          join(home, `files-${i}`),
          ["300", "10", "50", ...sinks],
          { PKX_DAEMON: "/dev/null" },
          onRun,
        ),
      );
      await Promise.all(begun.map(({ promise }) => promise));
      allow(daemon.pid, more);
      // Who comes now is not served, or late, and does no harm.
      const strangers = await Promise.allSettled(
        Array.from({ length: 20 }, async () => {
          const stranger = await connect({ endpoint: daemon.endpoint, timeoutMs: 1000 });
          await stranger.status({ signal: AbortSignal.timeout(1000) }).finally(() => stranger.close());
        }),
      );
      const late = train(home, join(home, "files-late"), ["100", "10", "50", ...sinks], {
        PKX_DAEMON: "/dev/null",
      });
      await new Promise((done) => setTimeout(done, 2500));
      allow(daemon.pid, undefined);
      const runs = await Promise.all([...trainers, late]);
      const failed = strangers.filter(({ status }) => status === "rejected").length;
      for (const { runId, logged } of runs) {
        expect(logged).toMatchObject({ dropped: 0, rejected: 0 });
        await expectWhole(client, runId, logged);
      }
      const points = runs.reduce((sum, { logged }) => sum + (logged.counts["a"] ?? 0), 0);
      console.log(
        `${more} files: ${runs.length} runs, ${points} points to six sinks, ${failed} of 20 not served`,
      );
    });
  },
);

test.each([0, 2])(
  "the training process may open %i files more for a while: log() raises nothing",
  {
    timeout: 120_000,
  },
  async (spare) => {
    await withDaemon(async (home, daemon, client) => {
      const sinks = Object.values(six.specs);
      const env = { PKX_DAEMON: "/dev/null", PKX_TEST_NOFILE: String(spare) };
      const { runId, logged, stderr } = await train(
        home,
        join(home, "files"),
        ["600", "5", "50", ...sinks],
        env,
      );
      expect(stderr).not.toContain("Traceback");
      expect(logged).toMatchObject({ dropped: 0, rejected: 0 });
      await expectWhole(client, runId, logged);
      expect(daemon.stderr()).toBe("");
    });
  },
);
