/** The real DVC on the same repository: each reads what the other wrote, byte for byte where it is a file of Git's. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { withLock } from "../../adapters/dvc/lock.ts";
import { Repository } from "../../adapters/dvc/repository.ts";
import { dvc } from "../support/dvc.ts";
import { toolPath } from "../support/tools.ts";
import { faultOf, makeRoom, type Room } from "./room.ts";

let rooms: Room[] = [];
const room = (options: Parameters<typeof makeRoom>[0] = {}): Room => {
  const made = makeRoom(options);
  rooms.push(made);
  return made;
};
afterEach(() => {
  for (const one of rooms) one.remove();
  rooms = [];
});

/** Data of all kinds that DVC treats in a way of its own. */
function fill(at: Room): readonly string[] {
  at.write("data/x.txt", "hi\n");
  at.write("data/sub/é \u{1f600}.txt", "é");
  at.write("data/sub/\uff61.txt", "z");
  at.write("data/sub/run", "#!\n", 0o755);
  at.write("data/skip.tmp", "no");
  at.write("data/.hidden", "yes");
  symlinkSync("../x.txt", at.at("data/sub/link"));
  symlinkSync("sub", at.at("data/linked"));
  at.write(".dvcignore", "*.tmp\n");
  at.write("run.sh", "#!/bin/sh\n", 0o755);
  at.write("it's: a [file]!", "1");
  at.write(`long ${"name ".repeat(30)}x`, "2");
  at.write("123e5", "");
  at.run("mkdir", "empty", "data/void");
  return ["data", "run.sh", "it's: a [file]!", `long ${"name ".repeat(30)}x`, "123e5", "empty"];
}

test("what is added is what DVC adds, and DVC finds nothing to say", async () => {
  const [ours, theirs] = [room(), room()];
  const targets = fill(ours);
  fill(theirs);
  for (const target of targets) await ours.add(target);
  await dvc(theirs.root, ["add", "-q", ...targets]);
  expect(ours.files()).toEqual(theirs.files());
  // DVC makes a file that is added alone anew, with 0744; old releases take the right to run away from those in folders.
  expect(ours.mode("data/sub/run")).toBe(0o755);
  for (const path of ["data/x.txt", "run.sh.dvc", ".gitignore"]) {
    expect([path, ours.mode(path)]).toEqual([path, theirs.mode(path)]);
  }
  const cached = (at: Room) =>
    at.run("sh", "-c", "cd .dvc/cache/files && find . -type f -printf '%p %m\\n' | sort && md5sum */*/*");
  expect(cached(ours)).toBe(cached(theirs));
  // What DVC wrote is clean to us, and the other way round; then each checks out what the other added.
  expect(new Set(Object.values(await theirs.status()))).toEqual(new Set(["unchanged"]));
  const before = ours.files();
  for (const at of rooms) for (const target of targets) rmSync(at.at(target), { recursive: true });
  const said = await dvc(
    ours.root,
    ["checkout", "-q"],
    ["status"],
    ["gc", "-w", "-f", "-q"],
    ["cache", "migrate"],
  );
  expect(said).toContain("up to date");
  await theirs.checkout();
  for (const at of rooms) {
    // Links are files now, and what is ignored is gone with its folder.
    const kept = Object.entries(before).filter(([path]) => !/^data\/(linked\/|skip)/.test(path));
    expect(at.files()).toEqual(Object.fromEntries(kept));
    expect(at.mode("run.sh") & 0o100).toBe(0o100);
  }
});

test("a changed record keeps comments and keys as DVC keeps them", async () => {
  const [ours, theirs] = [room({ git: false }), room({ git: false })];
  const record =
    "# of ours\nouts:\n# the first\n- md5: 49f68a5c8493ec2c0bf489821c21fc3b\n  size: 2  # bytes\n  hash: md5\n" +
    "  path: a\n  desc: what it is\n  remote: far\n  push: false\n  meta:\n    who: me  # really\nmeta:\n  x: [1, 2]\n";
  const legacy = "outs:\n- md5: 49f68a5c8493ec2c0bf489821c21fc3b\n  size: 2\n  path: old\n  desc: of DVC 2\n";
  for (const at of rooms) {
    at.write("a.dvc", record);
    at.write("old.dvc", legacy);
    at.write("a/1", "1");
    at.write("a/2", "22");
    at.write("old", "x");
  }
  await ours.add("a");
  await ours.add("old");
  await dvc(theirs.root, ["add", "-q", "a", "old"]);
  expect(ours.read("old.dvc")).toBe(theirs.read("old.dvc"));
  expect(ours.read("a.dvc")).toBe(theirs.read("a.dvc"));
  for (const at of rooms) {
    rmSync(at.at("a"), { recursive: true });
    at.write("a", "alone");
    at.run("chmod", "755", "a");
  }
  await ours.add("a");
  await dvc(theirs.root, ["add", "-q", "a"]);
  expect(ours.read("a.dvc")).toBe(theirs.read("a.dvc"));
});

test("the outputs of stages are read from dvc.lock with the flags of dvc.yaml", async () => {
  const at = room({ git: false });
  at.write("sub/in.txt", "in");
  at.write(
    "make.py",
    "import os\nos.makedirs('out', exist_ok=True)\nopen('out/a', 'w').write('a')\nopen('m.json', 'w').write('{}')\n",
  );
  const item = "$" + "{item}";
  at.write(
    "dvc.yaml",
    "stages:\n  one:\n    cmd: python ../make.py\n    wdir: sub\n    deps: [in.txt]\n    outs:\n    - out:\n        push: false\n" +
      "    metrics:\n    - m.json:\n        cache: false\n  each:\n    foreach: [p, q]\n    do:\n      cmd: echo x > " +
      `${item}.txt\n      outs: ['${item}.txt']\n`,
  );
  await dvc(at.root, ["repro", "-q"]);
  expect(await at.status()).toEqual({
    "p.txt": "unchanged",
    "q.txt": "unchanged",
    "sub/m.json": "unchanged",
    "sub/out": "unchanged",
  });
  at.write("q.txt", "other");
  rmSync(at.at("sub/out"), { recursive: true });
  expect(await at.status("each")).toEqual({ "p.txt": "unchanged", "q.txt": "modified" });
  expect(await at.status("dvc.yaml:one")).toEqual({ "sub/m.json": "unchanged", "sub/out": "missing" });
  await at.checkout({ targets: ["one"] });
  expect(at.read("sub/out/a")).toBe("a");
  for (const path of ["q.txt", "sub/out"]) {
    expect((await faultOf(at.add(path))).message).toContain("is an output of the stage");
  }
});

test("DVC and the daemon wait for each other's locks, and say who holds them", async () => {
  const at = room({ git: false });
  at.write("data", "1");
  const hold = spawn(
    toolPath("python"),
    ["-c", "from dvc.repo import Repo\nr = Repo()\nr.lock.lock()\nprint('held', flush=True)\ninput()"],
    { cwd: at.root, stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, DVC_NO_ANALYTICS: "1" } },
  );
  await once(hold.stdout, "data");
  const fault = await faultOf(at.add("data"));
  expect(fault).toMatchObject({ kind: "locked" });
  expect(fault.message).toContain(String(hold.pid));
  expect(existsSync(at.at("data.dvc"))).toBe(false);
  hold.stdin.end("\n");
  await once(hold, "exit");

  const repository = await Repository.open(at.root, at.context);
  await withLock(repository, [at.at("data")], at.work.signal, async () => {
    expect(readFileSync(at.at(".dvc/tmp/lock"), "utf8")).toBe(` ${process.pid}\n`);
    expect(JSON.parse(at.read(".dvc/tmp/rwlock")).write).toEqual({
      [at.at("data")]: { pid: process.pid, cmd: "pkx daemon" },
    });
    await expect(dvc(at.root, ["add", "data"])).rejects.toThrow("Unable to acquire lock");
  });
  await dvc(at.root, ["add", "-q", "data"]);
  expect(await at.status()).toEqual({ data: "unchanged" });
});

test.each(["hardlink", "symlink"])(
  "files are %ss where the settings ask for them, as DVC makes them",
  async (type) => {
    const [ours, theirs] = [
      room({ git: false, config: `[cache]\n    type = ${type}\n` }),
      room({ git: false, config: `[cache]\n    type = ${type}\n` }),
    ];
    for (const at of rooms) {
      at.write("data/a", "a");
      at.write("data/sub/b", "b");
      at.write("data/empty", "");
    }
    await ours.add("data");
    await dvc(theirs.root, ["add", "-q", "data"]);
    const shape = (at: Room) => at.run("sh", "-c", "cd data && find . -printf '%p %y %m %n\\n' | sort");
    expect(shape(ours)).toBe(shape(theirs));
    expect(ours.files()).toEqual(theirs.files());
    cpSync(ours.at("data.dvc"), join(ours.home, "kept"));
    rmSync(ours.at("data"), { recursive: true });
    await ours.checkout();
    expect(shape(ours)).toBe(shape(theirs));
    writeFileSync(ours.at("data.dvc"), readFileSync(join(ours.home, "kept")));
    expect(await ours.status()).toEqual({ data: "unchanged" });
  },
);
