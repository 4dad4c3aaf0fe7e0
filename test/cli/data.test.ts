/** `pkx data` with a real daemon, and the TypeScript client below it. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, DatasetState, type Progress } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { type CliOptions, pkx } from "../support/terminal.ts";

let daemon: TestDaemon;
let repo: string;

const file = (name: string): string => join(repo, name);
const run = (args: readonly string[], options: CliOptions = {}) =>
  pkx(["data", ...args, "--repo", repo], { env: daemon.clientEnv, ...options });

beforeAll(async () => {
  daemon = await startDaemon();
  repo = join(daemon.home, "repo");
  mkdirSync(file(".dvc"), { recursive: true });
  writeFileSync(
    file(".dvc/config"),
    `[core]\n    no_scm = true\n    remote = near\n['remote "near"']\n    url = ../../storage\n`,
  );
  mkdirSync(file("set"));
  for (const name of ["a", "b"]) writeFileSync(file(`set/${name}.txt`), `${name}\n`);
});
afterAll(() => daemon.stop());

test("data is added, sent, lost, brought back and put elsewhere", async () => {
  const added = await run(["add", file("set")]);
  expect(added.code).toBe(0);
  const [, hash = ""] = /hash +([0-9a-f]{32}\.dir)\n/.exec(added.out) ?? [];
  expect(added.out).toMatch(
    /^path +set\nhash .*\nsha256 +[0-9a-f]{64}\nsize +4 B in 2 files\nrecorded in +set\.dvc\n$/,
  );
  expect(JSON.parse((await run(["hash", file("set"), "--json"])).out)).toMatchObject({
    hash,
    size: 4,
    files: 2,
  });
  expect(await run(["push"])).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^3 objects sent \(.*\)\.\n$/),
  });
  expect(await run(["push", hash])).toMatchObject({
    code: 0,
    out: "0 objects sent (0 B), 3 there before.\n",
  });
  const sound = await run(["status"]);
  expect(sound).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^DATA +STATE .*\nset +unchanged +[0-9a-f]{32}/),
  });

  rmSync(file("set"), { recursive: true });
  rmSync(file(".dvc/cache"), { recursive: true, force: true });
  const missing = await run(["status", file("set"), "--json"]);
  expect(missing.code).toBe(1);
  expect(JSON.parse(missing.out).entries).toMatchObject([{ state: "missing", missingInCache: 1 }]);
  expect(await run(["pull"])).toMatchObject({ code: 0 });
  expect(readFileSync(file("set/a.txt"), "utf8")).toBe("a\n");
  const elsewhere = join(daemon.home, "elsewhere");
  expect(await run(["checkout", hash, "--to", elsewhere])).toMatchObject({ code: 0 });
  expect(readFileSync(join(elsewhere, "b.txt"), "utf8")).toBe("b\n");
});

test("failures have their exit codes, and name what is wrong", async () => {
  rmSync(file("set/a.txt"));
  writeFileSync(file("set/a.txt"), "mine");
  expect(await run(["checkout"])).toMatchObject({ code: 4, err: expect.stringContaining("DATASET_CHANGED") });
  expect(await run(["checkout", "--force"])).toMatchObject({ code: 0 });
  const nobody = await run(["checkout", "0".repeat(32), "--to", join(daemon.home, "x"), "--json"]);
  expect(nobody.code).toBe(3);
  expect(JSON.parse(nobody.err).error).toMatchObject({
    code: "DATASET_NOT_FOUND",
    message: expect.stringContaining("`near`"),
  });
  expect(existsSync(join(daemon.home, "x"))).toBe(false);
  expect(await run(["push", "--remote", "far"])).toMatchObject({
    code: 2,
    err: expect.stringContaining("`near`"),
  });
  appendFileSync(file(".dvc/config"), "['remote \"far\"']\n    url = /nonexistent/mount\n");
  rmSync(file(".dvc/cache"), { recursive: true, force: true });
  expect(await run(["pull", "--remote", "far"])).toMatchObject({
    code: 5,
    err: expect.stringContaining("/nonexistent/mount"),
  });
  expect(await run(["pull", "--json"])).toMatchObject({ code: 0 });
  expect((await pkx(["data", "status", "--repo", daemon.home], { env: daemon.clientEnv })).code).toBe(2);
});

test("on a terminal a line tells how far it is", async () => {
  for (let i = 0; i < 20; i++) writeFileSync(file(`set/${i}`), String(i));
  const { err, code } = await run(["add", file("set")], { isTerminal: true });
  expect(code).toBe(0);
  expect(err).toMatch(/\r.\[K\w+ .*files/);
  expect(err.endsWith("\r\x1b[K")).toBe(true);
});

test("the client tells progress, versions and states", async () => {
  const client = await connect({ env: daemon.clientEnv });
  const datasets = client.datasets(repo);
  const told: Progress[] = [];
  writeFileSync(file("set/more"), "more");
  const { hash } = await datasets.add("set", { onProgress: (progress) => told.push(progress) });
  expect(told.length).toBeGreaterThan(0);
  expect(await datasets.push({ targets: [hash] })).toMatchObject({ datasets: [{ hash, path: "set" }] });
  expect(await datasets.status()).toMatchObject([{ state: DatasetState.DATASET_STATE_UNCHANGED }]);
  const stop = AbortSignal.abort(new Error("enough"));
  await expect(datasets.push({ signal: stop })).rejects.toThrow("enough");
  await expect(datasets.checkout({ hash: "1".repeat(32), path: "y" })).rejects.toMatchObject({
    code: "DATASET_REMOTE_UNAVAILABLE",
    message: expect.stringMatching(
      /^The cache lacks the object 1111.*`far` cannot be used.*Searched: the cache, `near`/,
    ),
  });
  client.close();
});
