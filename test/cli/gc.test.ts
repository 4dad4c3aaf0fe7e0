/** `pkx models gc`, `pin`, `unpin`, `pins`, `pkx tags`, `rollback` and `untag` with a real daemon. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { type CliOptions, pkx } from "../support/terminal.ts";

let daemon: TestDaemon;

const file = (name: string): string => join(daemon.home, name);
const run = (args: readonly string[], options: CliOptions = {}) =>
  pkx(args, { env: daemon.clientEnv, ...options });
const json = async (args: readonly string[]) => JSON.parse((await run([...args, "--json"])).out);

async function store(weights: string, ...more: string[]): Promise<string> {
  writeFileSync(file("op.json"), '{"module":"nets","class":"Digits","config":{"width":32}}');
  writeFileSync(file("w.bin"), weights);
  return (await json(["models", "store", file("op.json"), "--weights", file("w.bin"), ...more])).model.hash;
}

beforeAll(async () => {
  daemon = await startDaemon();
});
afterAll(() => daemon.stop());

test("tags are listed, rolled back and deleted", async () => {
  expect(await run(["tags"])).toMatchObject({ code: 0, out: "No tags.\n" });
  const a = await store("a", "--name", "prod");
  const b = await store("b", "--name", "prod", "--force");
  expect((await run(["tags"])).out).toMatch(new RegExp(`prod +${b.slice(0, 12)} +2 `));
  const back = await run(["rollback", "prod", "--reason", "worse"]);
  expect(back).toMatchObject({ code: 0, out: `prod points to ${a} since move 3.\n` });
  expect(await run(["untag", "prod", "--expected", b])).toMatchObject({ code: 4 });
  const gone = await run(["untag", "prod", "--reason", "over"]);
  expect(gone.out).toBe(`prod leads nowhere since move 4.\nIt pointed to ${a} before.\n`);
  const missing = await run(["resolve", "prod"]);
  expect(missing).toMatchObject({ code: 3, err: expect.stringContaining("deleted it (over)") });
  expect((await json(["tags"])).tags).toEqual([]);
  expect((await run(["history", "prod"])).out).toContain("(deleted)");
  expect(await run(["rollback", "prod"])).toMatchObject({ code: 0 });
  expect(await run(["untag", "none"])).toMatchObject({ code: 3 });
});

test("gc tells a plan, keeps what is pinned or chosen, and deletes with --apply", async () => {
  const [a, b, c] = [
    await store("gc a"),
    await store("gc bb"),
    await store("gc c", "--metadata", '{"stage":"x"}'),
  ];
  expect((await run(["models", "pin", a, "--reason", "paper"])).out).toBe(`${a} is pinned.\n`);
  expect((await run(["models", "pins"])).out).toMatch(new RegExp(`${a.slice(0, 12)}.*paper`));
  const young = await run(["models", "gc"]);
  expect(young.out).toMatch(/^Kept: .*young.*\nNothing to collect\.\n$/);
  const policy = ["models", "gc", "--min-age", "0", "--keep", "stage=x"];
  const told = await run(policy);
  expect(told.out).toMatch(new RegExp(`^MODEL +AGE +SIZE\n${b.slice(0, 12)} +\\d+ m?s +[\\d.]+ KiB\n`));
  expect(told.out).toContain("1 chosen by their metadata");
  expect(told.out).toMatch(/Would go: 1 of 5 models, .*\nNothing was deleted: give --apply\.\n$/);
  const done = await json([...policy, "--apply"]);
  expect(done).toMatchObject({
    applied: true,
    entries: [{ hash: b, deleted: true }],
    summary: { deleted: 1 },
  });
  expect(await run(["resolve", b])).toMatchObject({ code: 3 });
  expect(await run(["resolve", c])).toMatchObject({ code: 0 });
  expect((await run(["models", "unpin", a])).out).toBe("The pin is gone.\n");
  expect((await run(["models", "unpin", a])).out).toBe("It was not pinned.\n");
  const rest = await run(["models", "gc", "--min-age", "0", "--keep-last", "1", "--apply"]);
  expect(rest.out).toMatch(/Kept: .*1 among the newest.*\nDeleted: 1 of 4 models/s);
  for (const wrong of [
    ["--min-age", "x"],
    ["--keep", "x"],
    ["--keep-last", "-1"],
    ["--keep", "{"],
  ]) {
    expect(await run(["models", "gc", ...wrong])).toMatchObject({ code: 2 });
  }
});

test("a store tells how far it is on a terminal, and elsewhere nothing", async () => {
  writeFileSync(file("op.json"), '{"module":"nets","class":"Digits","config":{"width":33}}');
  writeFileSync(file("w.bin"), Buffer.alloc(8 * 1024 * 1024));
  const args = ["models", "store", file("op.json"), "--weights", file("w.bin")];
  const { err } = await run(args, { isTerminal: true });
  expect(err).toMatch(/receiving [\d.]+ \w+ of 8\.0 MiB/);
  // The line is taken away in the end.
  expect(err.endsWith("\r\x1b[K")).toBe(true);
  expect((await run(args)).err).toBe("");
  expect((await run([...args, "--json"], { isTerminal: true })).err).toBe("");
});
