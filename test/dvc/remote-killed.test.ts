/** `kill -9` in the middle of a push and of a fetch: nothing half is seen, and what arrived is not moved again. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type S3Proxy, startS3Proxy } from "../support/s3-server-proxy.ts";
import { BUCKET, type S3Server, startSeaweed } from "../support/seaweed.ts";
import { makeRepo, type Repo, randomFiles, remoteConfig } from "./remote-room.ts";

const FILES = 60;
const BEFORE_THE_KILL = 25;

let server: S3Server;
let proxy: S3Proxy;
let repo: Repo;

beforeAll(async () => {
  server = await startSeaweed();
  proxy = await startS3Proxy(server.endpoint);
  const more = `    endpointurl = ${proxy.endpoint}\n    region = us-east-1\n`;
  repo = await makeRepo(remoteConfig("cloud", `s3://${BUCKET}/killed`, more), server.env());
});
afterAll(async () => {
  await repo.remove();
  await proxy.stop();
  await server.stop();
});

/** Starts the work in another process, and kills it once so many requests are answered and no more are. */
async function killed(what: "push" | "fetch", operation: string): Promise<void> {
  let [begun, answered] = [0, 0];
  let child: ChildProcess | undefined;
  proxy.harm = (seen) =>
    seen.operation === operation && ++begun > BEFORE_THE_KILL ? { kind: "hang" } : undefined;
  proxy.answered = (seen) => {
    if (seen.operation === operation && ++answered === BEFORE_THE_KILL) child?.kill("SIGKILL");
  };
  const script = join(import.meta.dirname, "remote-mover.ts");
  child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script, repo.folder, what], {
    env: repo.env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  await once(child, "exit");
  expect(child.signalCode).toBe("SIGKILL");
  proxy.harm = () => undefined;
  proxy.requests.length = 0;
}

test("a push and a fetch that are killed go on where they were", async () => {
  await repo.data("set", randomFiles(FILES, 20_000));

  await killed("push", "PutObject");
  const pushed = await repo.push();
  expect(pushed).toMatchObject({ objects: FILES + 1 - BEFORE_THE_KILL, present: BEFORE_THE_KILL });
  const sent = proxy.requests.filter(({ operation }) => operation === "PutObject");
  expect(sent).toHaveLength(pushed.objects);
  expect(sent.at(-1)?.key).toMatch(/\.dir$/);

  await repo.forget();
  await killed("fetch", "GetObject");
  const objects = (
    await readdir(join(repo.folder, ".dvc/cache/files"), { recursive: true, withFileTypes: true })
  )
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  // What was answered last may not have been written when the process was killed.
  expect(objects.length).toBeGreaterThan(0);
  expect(objects.length).toBeLessThanOrEqual(BEFORE_THE_KILL);
  for (const object of objects) expect((await stat(object)).mode & 0o7777).toBe(0o444);
  const fetched = await repo.fetch();
  expect(fetched).toMatchObject({ objects: FILES + 1 - objects.length, present: objects.length });
  expect(proxy.counts()).toEqual({ GetObject: fetched.objects });
  expect(await repo.push()).toEqual({ objects: 0, bytes: 0, present: FILES + 1 });
});
