/** A newer client meets an older daemon, and an older client a newer one: real releases, each with its own daemon. */
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { temporaryHome } from "../support/daemon.ts";
import { gone } from "../support/gone.ts";
import { type ClientProcess, Release, remove } from "./release.ts";

const releases = temporaryHome();
let old: Release;
/** Newer, of the same protocol. */
let next: Release;
/** Newer, of a protocol that the others do not speak. */
let far: Release;
let home: string;
let started: ClientProcess[];
let daemons: Set<number>;

beforeAll(async () => {
  [old, next, far] = await Promise.all([
    Release.make(join(releases, "old"), { version: "0.0.9", protocol: 1 }),
    Release.make(join(releases, "next"), { version: "0.0.10", protocol: 1 }),
    Release.make(join(releases, "far"), { version: "0.2.0", protocol: 2 }),
  ]);
});

afterAll(() => remove(releases));

beforeEach(() => {
  home = temporaryHome();
  started = [];
  daemons = new Set();
});

afterEach(async () => {
  for (const client of started) client.kill();
  for (const pid of daemons) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has left.
    }
    await gone(pid);
  }
  remove(home);
});

function env(): NodeJS.ProcessEnv {
  return {
    PATH: process.env["PATH"],
    HOME: home,
    PKX_STATE_DIR: join(home, "state"),
    PKX_RUNTIME_DIR: join(home, "run"),
  };
}

function python(release: Release, program: string): ClientProcess {
  const client = release.python(program, env());
  started.push(client);
  return client;
}

function typescript(release: Release, program: string): ClientProcess {
  const client = release.typescript(program, env());
  started.push(client);
  return client;
}

/** Version and pid of the daemon that a client tells of. */
async function daemonOf(client: ClientProcess): Promise<{ version: string; pid: number }> {
  const [version = "", pid = ""] = (await client.line()).split(" ");
  daemons.add(Number(pid));
  return { version, pid: Number(pid) };
}

const TELL = `
def tell(timeout_s=20):
    hello = pe.connect(timeout_s=timeout_s).hello
    print(hello.daemon_version, hello.pid, flush=True)
`;
const CONNECT = `${TELL}\ntell()`;
/** A run that logs a point, waits to be told, logs another and ends. */
const TRAIN = `${TELL}
run = pe.start_run("training", run_id="01J00000000000000000000RVN")
run.log({"loss": 1.0}, 0)
assert run.flush(20)
tell()
input()
run.log({"loss": 0.5}, 1)
run.end()
`;
/** How many points the daemon has of that run, and how it ended. */
const READ = `
from pipekit_experiment._generated import tracker_pb2 as pb
from pipekit_experiment._generated.tracker_pb2_grpc import TrackerServiceStub
connection = pe.connect(timeout_s=20)
print(connection.hello.daemon_version, connection.hello.pid, flush=True)
run = TrackerServiceStub(connection.channel).GetRun(pb.GetRunRequest(run_id="01J00000000000000000000RVN")).run
print(run.points, pb.RunState.Name(run.state), flush=True)
`;
const TYPESCRIPT = `
const client = await connect();
console.log(client.daemon.daemonVersion, client.daemon.pid);
client.close();
`;

test("an idle daemon makes place for a newer one, which goes on with its state", async () => {
  const training = python(old, TRAIN);
  const first = await daemonOf(training);
  expect(first.version).toBe("0.0.9");
  training.go();
  await training.ended();
  const reading = python(next, READ);
  const second = await daemonOf(reading);
  expect(second.version).toBe("0.0.10");
  expect(await reading.line()).toBe("2 RUN_STATE_COMPLETED");
  await gone(first.pid);
  // An older client is content with a newer daemon, and a client of the same age, too.
  expect(await daemonOf(python(old, CONNECT))).toEqual(second);
  expect(await daemonOf(python(next, CONNECT))).toEqual(second);
});

test("within the protocol range a daemon that others use is used as it is", async () => {
  const training = python(old, TRAIN);
  const first = await daemonOf(training);
  const beside = python(next, TRAIN.replace("RVN", "TWW"));
  expect(await daemonOf(beside)).toEqual(first);
  beside.go();
  await beside.ended();
  training.go();
  await training.ended();
  expect((await daemonOf(python(next, CONNECT))).version).toBe("0.0.10");
});

test("outside the range a newer client waits for the runs of others, and takes over once they ended", async () => {
  const training = python(old, TRAIN);
  const first = await daemonOf(training);
  const refused = python(
    far,
    `${TELL}
try:
    tell(timeout_s=1)
except pe.errors.ProtocolMismatchError as error:
    print(error, flush=True)`,
  );
  expect(await refused.line()).toMatch(
    /speaks protocol 2, and this daemon \(version 0\.0\.9\) speaks 1\. 1 run of living processes would lose it\..*pkx stop/,
  );
  const waiting = python(far, READ);
  training.go();
  await training.ended();
  expect((await daemonOf(waiting)).version).toBe("0.2.0");
  expect(await waiting.line()).toBe("2 RUN_STATE_COMPLETED");
  await gone(first.pid);
});

test("a client that is too old says so, and leaves the newer daemon alone", async () => {
  const first = await daemonOf(python(far, CONNECT));
  const refused = python(
    old,
    `
try:
    pe.connect(timeout_s=20)
except pe.errors.ProtocolMismatchError as error:
    print(error.mend, flush=True)`,
  );
  expect(await refused.line()).toMatch(/Update the client: pip install -U/);
  expect(await daemonOf(python(far, CONNECT))).toEqual(first);
});

test("the TypeScript client does the same", async () => {
  const first = await daemonOf(typescript(old, TYPESCRIPT));
  expect(first.version).toBe("0.0.9");
  const training = python(old, TRAIN);
  expect(await daemonOf(training)).toEqual(first);
  expect(await daemonOf(typescript(next, TYPESCRIPT))).toEqual(first);
  const refused = typescript(
    far,
    "await connect({ timeoutMs: 1000 }).catch((error) => console.log(error.code, error.message));",
  );
  expect(await refused.line()).toMatch(/^PROTOCOL_MISMATCH .* 1 run of living processes would lose it\./);
  const waiting = typescript(far, TYPESCRIPT);
  training.go();
  await training.ended();
  expect((await daemonOf(waiting)).version).toBe("0.2.0");
  await gone(first.pid);
});
