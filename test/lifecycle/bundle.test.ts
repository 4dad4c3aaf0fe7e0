/** The bundle runs from any folder, with nothing of the source tree around it. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Client, credentials, makeGenericClientConstructor } from "@grpc/grpc-js";
import { StatusResponse } from "@pipekit/proto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const home = temporaryHome();
const bundle = join(home, "moved here");
const config = join(home, "config.yaml");
let daemon: TestDaemon;
let client: Client;

beforeAll(async () => {
  execFileSync(process.execPath, [join(ROOT, "daemon/build.ts"), "--out", join(home, "built")]);
  renameSync(join(home, "built"), bundle);
  writeFileSync(config, "idle_exit_s: 77\n");
  daemon = await startDaemon({
    home,
    script: join(bundle, "pkx.mjs"),
    args: ["--config", config],
    // A bare environment, and no leave to look for packages elsewhere.
    env: { NODE_PATH: undefined, PATH: undefined, HOME: home, XDG_CACHE_HOME: undefined },
  });
  client = new (makeGenericClientConstructor({}, "any"))(daemon.endpoint, credentials.createInsecure());
});

afterAll(async () => {
  client?.close();
  await daemon?.stop();
  rmSync(home, { recursive: true, force: true });
});

function call(path: string, request: Buffer): Promise<Buffer> {
  const raw = (value: Buffer) => value;
  return new Promise((done, fail) => {
    client.makeUnaryRequest(path, raw, raw, request, (error, value) =>
      error || value === undefined ? fail(error) : done(value),
    );
  });
}

test("health, reflection, the journal and the config file work", async () => {
  expect(await call("/grpc.health.v1.Health/Check", Buffer.alloc(0))).toEqual(Buffer.from([8, 1]));
  const status = await call("/pipekit.experiment.v1.DaemonService/Status", Buffer.alloc(0));
  expect(StatusResponse.decode(status)).toMatchObject({ pid: daemon.pid, runs: 0, idleExitS: 77 });
  // A journal thread of its own answers this one.
  await call("/pipekit.experiment.v1.TrackerService/ListRuns", Buffer.alloc(0));
  const stream = client.makeBidiStreamRequest(
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    (value: Buffer) => value,
    (value: Buffer) => value,
  );
  // ListServices, field 7, empty.
  stream.write(Buffer.from([0x3a, 0]));
  const listed = await new Promise<Buffer>((done, fail) => {
    stream.once("data", done);
    stream.once("error", fail);
  });
  expect(listed.toString("latin1")).toContain("pipekit.experiment.v1.TrackerService");
  stream.end();
});

test("the command line runs from it, in any working folder", () => {
  const cwd = join(home, "elsewhere");
  mkdirSync(cwd);
  const text = execFileSync(process.execPath, [join(bundle, "pkx.mjs"), "--help"], {
    cwd,
    env: { HOME: home },
  });
  expect(text.toString()).toContain("serve");
});

test("the licences of what is bundled come along", () => {
  const text = readFileSync(join(bundle, "LICENSES.txt"), "utf8");
  for (const name of ["@grpc/grpc-js", "zod", "pino"]) expect(text).toContain(`${name}\n`);
});
