import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PipekitError } from "@pipekit/proto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CommandLineSettings, type Env, loadConfig } from "../../daemon/config/index.ts";
import { temporaryHome } from "../support/daemon.ts";

let home: string;
let file: string;
let env: Env;

beforeEach(() => {
  home = temporaryHome();
  env = { XDG_CONFIG_HOME: home };
  file = join(home, "pipekit-experiment/config.yaml");
  mkdirSync(dirname(file));
});

afterEach(() => {
  rmSync(home, { recursive: true, force: true });
});

async function fault(commandLine: CommandLineSettings = {}): Promise<PipekitError> {
  const error = await loadConfig(commandLine, env).catch((e: unknown) => e);
  if (!(error instanceof PipekitError)) throw new Error(`no failure, but ${JSON.stringify(error)}`);
  expect(error.code).toBe("INVALID_DAEMON_CONFIG");
  return error;
}

test("defaults hold without a file", async () => {
  const config = await loadConfig({}, env);
  expect(config).toMatchObject({ idleExitS: 900, orphanGraceS: 10, logLevel: "info", trackers: {} });
  expect(config.configFile).toBe(file);
});

test("command line over file over environment", async () => {
  env = {
    ...env,
    PKX_IDLE_EXIT_S: "1",
    PKX_LOG_LEVEL: "warn",
    PKX_ORPHAN_GRACE_S: "2.5",
    PKX_STATE_DIR: "/e",
  };
  writeFileSync(file, "idle_exit_s: 2\nlog_level: debug\ntrackers:\n  team: [mlflow+http://h/x]\n");
  expect(await loadConfig({ idle_exit_s: "3", runtime_dir: "/r" }, env)).toMatchObject({
    idleExitS: 3,
    logLevel: "debug",
    orphanGraceS: 2.5,
    stateFolder: "/e",
    runtimeFolder: "/r",
    trackers: { team: ["mlflow+http://h/x"] },
  });
});

test("an unknown key is told with file and line and the keys allowed", async () => {
  writeFileSync(file, "log_level: info\nidle_exit: 5\n");
  const error = await fault();
  expect(error.message).toBe(`Unknown setting: idle_exit in ${file}, line 2.`);
  expect(error.field).toBe("idle_exit");
  expect(error.mend).toContain("Keys allowed: idle_exit_s");
});

test("a wrong value is told with file and line, without the value", async () => {
  writeFileSync(file, "trackers:\n  team:\n    - mlflow+http://u:hunter2@h/x\n    - 7\n");
  const error = await fault();
  expect(error.message).toBe(
    `trackers.team.1 in ${file}, line 4, is wrong: it must be a map of tracker name to list of tracker specs.`,
  );
  expect(JSON.stringify(error.toDetail())).not.toContain("hunter2");
});

test("an environment variable and a flag at fault are named", async () => {
  env = { ...env, PKX_IDLE_EXIT_S: "soon" };
  expect((await fault()).message).toContain("PKX_IDLE_EXIT_S, an environment variable, is wrong");
  env = { XDG_CONFIG_HOME: home };
  expect((await fault({ log_level: "loud" })).message).toContain(
    "--log-level, on the command line, is wrong",
  );
  expect((await fault({ idle_exit_s: "-1" })).message).toContain("--idle-exit-s");
});

test("a file that is no YAML, no map, or missing though named", async () => {
  writeFileSync(file, "a: [1\n");
  expect((await fault()).message).toContain(`The config file ${file}, line 2, is not YAML`);
  writeFileSync(file, "- a\n");
  expect((await fault()).message).toContain("does not hold a map");
  const missing = join(home, "no.yaml");
  expect((await fault({ config: missing })).message).toBe(
    `The config file ${missing} cannot be read (ENOENT).`,
  );
});
