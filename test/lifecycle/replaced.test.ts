/** The installed files of a daemon that runs are taken away, or are those of another version now, as after `pip install --upgrade`. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { connect } from "@pipekit/experiment";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const built = temporaryHome();
/** The PID of the first process: it lives, and is none of ours. */
const LIVING = 1;

let home: string;
let installed: string;
let programs: string;

beforeAll(() => {
  execFileSync(process.execPath, [join(ROOT, "daemon/build.ts"), "--out", join(built, "bundle")]);
});

afterAll(() => rmSync(built, { recursive: true, force: true }));

beforeEach(() => {
  home = temporaryHome();
  installed = join(home, "installed");
  programs = join(home, "cache/pipekit-experiment/program");
  cpSync(join(built, "bundle"), installed, { recursive: true });
  return () => rmSync(home, { recursive: true, force: true });
});

async function withDaemon(use: (daemon: TestDaemon) => Promise<void>, env: NodeJS.ProcessEnv = {}) {
  const script = join(installed, "pkx.mjs");
  const caches = { HOME: home, XDG_CACHE_HOME: join(home, "cache") };
  const daemon = await startDaemon({ home, script, env: { ...caches, ...env } });
  try {
    await use(daemon);
  } finally {
    await daemon.stop();
  }
}

/** Asks for what a daemon loads when it is first asked: a reader's thread, importers, backups, a registry elsewhere. */
async function askForLateParts({ endpoint }: TestDaemon): Promise<void> {
  const client = await connect({ endpoint });
  try {
    const run = await client.startRun({ name: "late" });
    run.log({ loss: 1 }, 0);
    await run.end();
    expect(await Array.fromAsync(client.readMetrics(run.runId))).toHaveLength(1);
    await expect(client.delivery.importRuns(join(home, "nothing")).next()).rejects.toMatchObject({
      code: "SOURCE_UNREADABLE",
    });
    expect((await client.backup(join(home, "backup"))).path).toBe(join(home, "backup"));
    const registry = client.registry("s3://bucket/?endpoint=http://127.0.0.1:1");
    await expect(registry.resolve("production")).rejects.toMatchObject({ code: "REGISTRY_REFUSED" });
  } finally {
    client.close();
  }
}

test("a daemon whose files are gone has all its parts", async () => {
  await withDaemon(async (daemon) => {
    rmSync(installed, { recursive: true });
    await askForLateParts(daemon);
  });
});

test("a daemon whose files are of another version now has its own parts", async () => {
  await withDaemon(async (daemon) => {
    for (const file of readdirSync(installed).filter((name) => name.endsWith(".mjs"))) {
      writeFileSync(join(installed, file), 'throw new Error("another version");\n');
    }
    await askForLateParts(daemon);
  });
});

test("where no copy can be made the installed files do", async () => {
  writeFileSync(join(home, "file"), "");
  const nowhere = { XDG_CACHE_HOME: join(home, "file"), TMPDIR: join(home, "file") };
  await withDaemon(askForLateParts, nowhere);
});

test("there is one copy for each version; one that nobody has used for a day goes, and one in use stays", async () => {
  await withDaemon(async () => undefined);
  const [mine = "", ...others] = readdirSync(programs);
  expect(others).toEqual([]);
  const yesterday = new Date(Date.now() - 90_000_000);
  for (const [name, user] of [
    ["unused", `${hostname()}.4194304`],
    ["used", `${hostname()}.${LIVING}`],
    ["far", "another-host.7"],
  ] as const) {
    mkdirSync(join(programs, name, "users"), { recursive: true });
    writeFileSync(join(programs, name, "users", user), "");
    utimesSync(join(programs, name, "users"), yesterday, yesterday);
  }
  mkdirSync(join(programs, "unpacked"));
  // A file that was cut is made anew.
  writeFileSync(join(programs, mine, "journal-worker.mjs"), "");
  await withDaemon(askForLateParts);
  expect(readdirSync(programs).toSorted()).toEqual([mine, "far", "unpacked", "used"].toSorted());
  expect(existsSync(join(programs, mine, "program.json"))).toBe(true);
});
