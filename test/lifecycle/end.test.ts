import { once } from "node:events";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { DaemonServiceClient, PipekitError } from "@pipekit/proto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type StartOptions, startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";

const script = join(import.meta.dirname, "stand-in.ts");
let home: string;
let daemon: TestDaemon | undefined;

beforeEach(() => {
  home = temporaryHome();
});

afterEach(async () => {
  await daemon?.kill9();
  daemon = undefined;
  rmSync(home, { recursive: true, force: true });
});

async function start(options: StartOptions = {}): Promise<TestDaemon> {
  daemon = await startDaemon({ home, script, ...options });
  return daemon;
}

async function stopTime(target: TestDaemon): Promise<number> {
  const started = performance.now();
  expect(await target.stop()).toEqual({ code: 0, signal: null });
  return performance.now() - started;
}

test("SIGTERM drains, removes the socket and exits with 0", async () => {
  const target = await start();
  expect(await stopTime(target)).toBeLessThan(1000);
  expect(existsSync(target.socketPath)).toBe(false);
  const log = readFileSync(join(target.stateFolder, "logs/daemon.log"), "utf8");
  expect(log).toContain('"reason":"SIGTERM"');
  expect(log.trim().split("\n").at(-1)).toContain("stopped");
});

test.each(["delivery", "journal", "delivery,journal"])(
  "a drain with a hanging %s takes less than 2 s",
  async (hang) => {
    const target = await start({ env: { PKX_TEST_HANG: hang } });
    expect(await stopTime(target)).toBeLessThan(2000);
    expect(existsSync(target.socketPath)).toBe(false);
  },
);

test("a second signal ends it at once with code 130", async () => {
  const target = await start({ env: { PKX_TEST_HANG: "delivery,journal" } });
  const started = performance.now();
  target.child.kill("SIGTERM");
  // The second one must not arrive in the same turn as the first.
  const log = () => readFileSync(join(target.stateFolder, "logs/daemon.log"), "utf8");
  await expect.poll(log, { interval: 10 }).toContain("draining");
  target.child.kill("SIGINT");
  expect(await target.exited).toEqual({ code: 130, signal: null });
  expect(performance.now() - started).toBeLessThan(1000);
});

test("a socket that is no longer its own stays", async () => {
  const target = await start();
  renameSync(target.socketPath, join(home, "moved"));
  writeFileSync(target.socketPath, "somebody else's");
  expect((await target.stop()).code).toBe(0);
  expect(readFileSync(target.socketPath, "utf8")).toBe("somebody else's");
});

test("an idle daemon leaves, one with points to deliver stays", async () => {
  const idle = await start({ args: ["--idle-exit-s", "1"] });
  expect(await idle.exited).toEqual({ code: 0, signal: null });
  const busy = await start({ args: ["--idle-exit-s", "1"], env: { PKX_TEST_HANG: "tracker" } });
  const gone = await Promise.race([
    busy.exited,
    new Promise((done) => setTimeout(done, 1500, "still there")),
  ]);
  expect(gone).toBe("still there");
});

test("Shutdown answers, then the daemon exits with 0", async () => {
  const target = await start();
  const client = new DaemonServiceClient(target.endpoint, credentials.createInsecure());
  try {
    const answer = await new Promise((done, fail) => {
      client.shutdown({ waitForDeliveryS: 0 }, (error, value) => (error ? fail(error) : done(value)));
    });
    expect(answer).toEqual({ pointsPending: 6 });
    expect(await target.exited).toEqual({ code: 0, signal: null });
  } finally {
    client.close();
  }
});

test("while it drains, health says NOT_SERVING and other calls are refused", async () => {
  const target = await start({ env: { PKX_TEST_HANG: "delivery" } });
  const client = new DaemonServiceClient(target.endpoint, credentials.createInsecure());
  try {
    const watch = client.makeServerStreamRequest(
      "/grpc.health.v1.Health/Watch",
      (value: Buffer) => value,
      (value: Buffer) => value[1],
      Buffer.alloc(0),
    );
    watch.on("error", () => undefined);
    expect((await once(watch, "data"))[0]).toBe(1);
    target.child.kill("SIGTERM");
    expect((await once(watch, "data"))[0]).toBe(2);
    const reflection = client.makeBidiStreamRequest(
      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      (value: Buffer) => value,
      (value: Buffer) => value,
    );
    const [refusal] = (await once(reflection, "error")) as [ServiceError];
    expect(PipekitError.fromServiceError(refusal)).toMatchObject({
      code: "DAEMON_UNAVAILABLE",
      message: "The daemon is shutting down.",
    });
    const status = await new Promise<{ draining: boolean }>((done, fail) => {
      client.status({}, (error, value) => (error ? fail(PipekitError.fromServiceError(error)) : done(value)));
    });
    expect(status.draining).toBe(true);
  } finally {
    client.close();
  }
  expect((await target.exited).code).toBe(0);
});
