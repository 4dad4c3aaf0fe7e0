/** kill -9 while a backup is made, and at each step of a restore. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@pipekit/experiment";
import { expect, test } from "vitest";
import { readRestored } from "../../daemon/backup/marks.ts";
import { verify } from "../../daemon/journal/index.ts";
import { startDaemon, temporaryHome } from "../support/daemon.ts";
import { BackupRoom } from "./room.ts";

test("a daemon that dies in a backup leaves no backup; the next start and the next backup clear up", async () => {
  const home = temporaryHome();
  const daemon = await startDaemon({ home });
  const client = await connect({ env: daemon.clientEnv, start: false });
  await client.withRun({ name: "r" }, async (run) => run.log({ a: 1 }, 1));
  const models = join(daemon.stateFolder, "models/notes");
  mkdirSync(models, { recursive: true });
  for (const name of ["small", "large"]) writeFileSync(join(models, name), name);
  truncateSync(join(models, "large"), 2 ** 28);
  const target = join(home, "b");
  const made = client.backup(target, {
    onProgress: ({ phase }) => phase === "files" && daemon.child.kill("SIGKILL"),
  });
  await expect(made).rejects.toMatchObject({ code: "DAEMON_UNAVAILABLE" });
  client.close();
  await daemon.exited;
  expect(readdirSync(home).sort()).toEqual(["b.making", "run", "state"]);
  expect(existsSync(join(daemon.stateFolder, "backing-up"))).toBe(true);

  rmSync(join(models, "large"), { force: true });
  const next = await startDaemon({ home });
  expect(existsSync(join(daemon.stateFolder, "backing-up"))).toBe(false);
  const again = await connect({ env: next.clientEnv, start: false });
  expect(await again.backup(target)).toMatchObject({ runs: 1, points: 1, path: target });
  again.close();
  await next.stop();
  expect(readdirSync(home).sort()).toEqual(["b", "run", "state"]);
  rmSync(home, { recursive: true, force: true });
}, 30_000);

test("a restore that dies anywhere leaves a folder in which no daemon starts, and begins anew", async () => {
  const room = await BackupRoom.open();
  const backup = await room.backUp("b");
  const state = join(room.home, "restored");
  // While it checks, before the first file gets its place, before the last one does, and before the sign is taken away.
  for (const [name, nth] of [
    ["open", 2],
    ["rename", 1],
    ["rename", 8],
    ["rm", 1],
  ] as const) {
    rmSync(state, { recursive: true, force: true });
    mkdirSync(state);
    const script = join(import.meta.dirname, "dying-restore.ts");
    const died = spawnSync(process.execPath, [script, backup, state, name, String(nth)]);
    expect(died.signal, `${name} ${nth}: ${died.stderr}`).toBe("SIGKILL");
    expect(() => readRestored(state), `${name} ${nth}`).toThrow("was broken off");
    await room.restore(backup, "restored");
    expect(readRestored(state)).toMatchObject({ delivers: true });
    expect(await verify(join(state, "journal.db"))).toMatchObject({ runs: 1, points: 3, faults: [] });
  }
  await room.close();
}, 30_000);
