/** Faults of the machine and of folders, each made, found, mended as it says, and gone. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkFileSystem } from "../../daemon/cli/checks/disks.ts";
import { checkFiles, versionOf } from "../../daemon/cli/checks/program.ts";
import { nodeFault } from "../../daemon/node-version.ts";
import { follow, Home } from "./home.ts";

const MAIN = resolve(import.meta.dirname, "../../daemon/main.ts");
const OTHER_USER = 12_345;
const isRoot = process.getuid?.() === 0;

let home: Home;
const mounts: string[] = [];

beforeEach(() => {
  home = new Home();
});
afterEach(() => {
  for (const folder of mounts.splice(0)) execFileSync("umount", ["-l", folder]);
  home.remove();
});

/** A file system of its own at a folder; false where this user may not mount. */
function mount(folder: string, options: string): boolean {
  const done = spawnSync("mount", ["-t", "tmpfs", "-o", `mode=700,${options}`, "tmpfs", folder]).status === 0;
  if (done) mounts.push(folder);
  return done;
}

test("nothing is wrong with new folders, nor with none", async () => {
  await home.green();
  for (const folder of [home.state, home.runtime]) rmSync(folder, { recursive: true });
  await home.green();
});

test("folders open to others, files in their place, links of others", async () => {
  chmodSync(home.state, 0o755);
  follow((await home.problem("state folder")).mend);
  await home.green();
  chmodSync(home.runtime, 0o711);
  follow((await home.problem("runtime folder")).mend);
  await home.green();
  rmSync(home.state, { recursive: true });
  writeFileSync(home.state, "");
  follow((await home.problem("state folder")).mend);
  await home.green();
});

test.runIf(isRoot)("folders and files of other users", async () => {
  chownSync(home.runtime, OTHER_USER, OTHER_USER);
  expect(await home.problem("runtime folder")).toMatchObject({
    mend: expect.stringContaining("PKX_RUNTIME_DIR"),
  });
  home.env = { ...home.env, PKX_RUNTIME_DIR: join(home.folder, "other") };
  await home.green();
  mkdirSync(join(home.state, "spool"), { mode: 0o700 });
  writeFileSync(join(home.state, "spool/x.note"), "");
  chownSync(join(home.state, "spool/x.note"), OTHER_USER, OTHER_USER);
  const files = await home.problem("state files");
  expect(files.message).toContain("1 file of other users, such as");
  follow(files.mend);
  await home.green();
  const place = join(home.folder, "place");
  mkdirSync(place, { mode: 0o700 });
  const link = join(home.folder, "link");
  symlinkSync(place, link);
  execFileSync("chown", ["-h", `${OTHER_USER}`, link]);
  home.env = { ...home.env, PKX_STATE_DIR: link };
  follow((await home.problem("state folder")).mend);
  await home.green();
});

test("files that are closed to their owner", async () => {
  const log = join(home.state, "logs/daemon.log");
  mkdirSync(join(home.state, "logs"), { mode: 0o700 });
  writeFileSync(log, "", { mode: 0o400 });
  const { mend, message } = await home.problem("state files");
  expect(message).toContain(log);
  follow(mend);
  await home.green();
});

test("a runtime folder whose sockets would have too long a name", async () => {
  const long = join(home.folder, "r".repeat(100));
  mkdirSync(long, { mode: 0o700 });
  home.env = { ...home.env, PKX_RUNTIME_DIR: long };
  expect((await home.problem("runtime folder")).mend).toContain("PKX_RUNTIME_DIR");
  home.env = { ...home.env, PKX_RUNTIME_DIR: home.runtime };
  await home.green();
});

test("disks that are full, without room for another file, or read-only", async ({ skip }) => {
  if (!mount(home.state, "size=2m")) skip("this user may not mount");
  expect((await home.problem("disk space")).message).toMatch(/^Only 2\.0 MiB are free/);
  execFileSync("mount", ["-o", "remount,size=4g", home.state]);
  await home.green();
  execFileSync("mount", ["-o", "remount,nr_inodes=50", home.state]);
  expect((await home.problem("disk space")).message).toMatch(/^Only 49 files more can be made/);
  execFileSync("mount", ["-o", "remount,nr_inodes=0", home.state]);
  await home.green();
  execFileSync("mount", ["-o", "remount,ro", home.state]);
  expect((await home.problem("state folder")).message).toContain("EROFS");
  execFileSync("mount", ["-o", "remount,rw", home.state]);
  await home.green();
  mount(home.runtime, "size=1m");
  expect((await home.problem("runtime space")).mend).toContain("PKX_RING_MB");
});

test("a state folder on a file system of the network", () => {
  // No such server runs here: the number is what statfs(2) tells on one.
  expect(checkFileSystem("/home/ej/state", 0x6969)).toMatchObject({ state: "problem", message: /on NFS/ });
  expect(checkFileSystem("/home/ej/state", 0xef53)).toMatchObject({ state: "ok" });
});

test("too few files to open", () => {
  const script = `ulimit -n 200; exec "$0" --disable-warning=ExperimentalWarning "$1" doctor --json`;
  const run = spawnSync("sh", ["-c", script, process.execPath, MAIN], { env: home.env as NodeJS.ProcessEnv });
  const problems = JSON.parse(run.stdout.toString()).findings.filter(
    (found: { state: string }) => found.state === "problem",
  );
  expect({ code: run.status, problems }).toMatchObject({
    code: 1,
    problems: [{ check: "open files", message: expect.stringContaining("may open 200 files") }],
  });
});

test("a daemon that has opened nearly all the files that it may", async () => {
  const script =
    'for (let i = 0; i < 950; i++) fs.openSync("/dev/null"); console.log("open"); process.stdin.resume()';
  const child = spawn("sh", ["-c", 'ulimit -n 1100; exec "$0" -e "$1"', process.execPath, script]);
  await once(child.stdout, "data");
  try {
    expect(checkFiles(child.pid ?? 0, "The daemon")).toMatchObject([
      { state: "problem", message: expect.stringMatching(/^The daemon has opened 9\d\d of 1100 files/) },
    ]);
  } finally {
    child.kill();
  }
});

test("programs that PKX_NODE and PKX_DAEMON name", async () => {
  home.env = { ...home.env, PKX_NODE: "/bin/false" };
  expect((await home.problem("node")).mend).toContain("unset it");
  const old = join(home.folder, "node20");
  writeFileSync(old, "#!/bin/sh\necho v20.11.1\n", { mode: 0o755 });
  home.env = { ...home.env, PKX_NODE: old };
  expect((await home.problem("node")).message).toContain("Node 20.11.1, which is too old");
  home.env = { ...home.env, PKX_NODE: process.execPath, PKX_DAEMON: join(home.folder, "nowhere.mjs") };
  expect((await home.problem("daemon program")).message).toContain("which is not there");
  const older = join(home.folder, "pkx.mjs");
  writeFileSync(older, "console.log('0.0.9')");
  home.env = { ...home.env, PKX_DAEMON: older };
  expect((await home.problem("daemon program")).message).toContain("which is version 0.0.9, this pkx ");
  home.env = { ...home.env, PKX_DAEMON: MAIN };
  await home.green();
});

test("a program that heeds no signal, and whose children hold on, is waited for no longer than a time", async () => {
  const stubborn = join(home.folder, "stubborn");
  writeFileSync(stubborn, "#!/bin/sh\ntrap '' TERM\nsleep 20 &\nwait\n", { mode: 0o755 });
  expect(await versionOf(stubborn, [], 200)).toMatch(/^Command failed/);
});

test("a Node that is too old ends with a sentence that clients understand", () => {
  expect(nodeFault("serve", "20.11.1")).toMatch(
    /^pkx serve: .+ \[DAEMON_UNAVAILABLE: PKX_NODE\]\n {2}Set PKX_NODE/,
  );
  expect(nodeFault("status", "22.9.0")).toMatch(/^error DAEMON_UNAVAILABLE: pkx needs Node 24/);
  expect(nodeFault("status", "24.0.0")).toBeUndefined();
  expect(existsSync(MAIN)).toBe(true);
});

test("proxies are named, and what they hold is not told", async () => {
  home.env = { ...home.env, HTTPS_PROXY: "http://ej:hunter2@proxy:3128" };
  const found = await home.note("proxy");
  expect(found.message).toContain("HTTPS_PROXY is set");
  expect(JSON.stringify(found)).not.toContain("hunter2");
});
