/** `pkx models copy`, `export`, `import`, `diff` and `verify` with a real daemon. */
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { type CliOptions, pkx } from "../support/terminal.ts";

let daemon: TestDaemon;
let a: string;
let b: string;
let main: string;

const file = (name: string): string => join(daemon.home, name);
const run = (args: readonly string[], options: CliOptions = {}) =>
  pkx(args, { env: daemon.clientEnv, ...options });

async function lines(args: readonly string[]): Promise<{ code: number; parts: Record<string, never>[] }> {
  const { code, out } = await run([...args, "--json"]);
  return {
    code,
    parts: out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  };
}

async function store(weights: string, note: string): Promise<string> {
  writeFileSync(file("op.json"), '{"module":"nets","class":"Digits","config":{"width":32}}');
  writeFileSync(file("w.bin"), weights);
  const args = ["models", "store", file("op.json"), "--weights", file("w.bin"), "--name", "prod", "--force"];
  const { out } = await run([...args, "--registry", main, "--metadata", `{"note":"${note}"}`, "--json"]);
  return JSON.parse(out).model.hash;
}

beforeAll(async () => {
  daemon = await startDaemon();
  main = `local:${file("main")}`;
  a = await store("weights of a", "first");
  b = await store("weights of b", "second");
});
afterAll(() => daemon.stop());

test("copy brings models and tags over, and tells what was there", async () => {
  const to = `local:${file("copy")}`;
  const first = await run(["models", "copy", "--from", main, "--to", to]);
  expect(first.code).toBe(0);
  const [one, two] = [a, b].sort();
  expect(
    first.out
      .split("\n")
      .slice(0, 2)
      .map((line) => line.split("  ")[0])
      .sort(),
  ).toEqual([one, two]);
  expect(first.out).toMatch(/\nprod {2}2 moves copied\n2 models copied \(.*\); 1 tag\.\n$/);
  const again = await run(["models", "copy", "--from", main, "--to", to]);
  expect(again).toMatchObject({ code: 0, out: "0 models copied (0 B), 2 there before; 1 tag.\n" });
  expect(await run(["resolve", "prod~1", "--registry", to])).toMatchObject({ out: `${a}\n` });

  const elsewhere = `local:${file("elsewhere")}`;
  await run(["models", "copy", b, "--from", main, "--to", elsewhere, "--without-tags"]);
  await run(["tag", b, "prod", "--registry", elsewhere]);
  const apart = await run(["models", "copy", "--from", main, "--to", elsewhere]);
  expect(apart.code).toBe(1);
  expect(apart.out).toMatch(/prod {2}left as it is: The history of `prod` went another way here\.\n/);
  const { code, parts } = await lines(["models", "copy", "--from", main, "--to", elsewhere, "--force"]);
  expect(code).toBe(0);
  expect(parts.map((part) => Object.keys(part)[0])).toEqual(["model", "model", "tag", "summary"]);
  expect((await run(["models", "copy"])).code).toBe(2);
});

test("on a terminal a line tells how far it is", async () => {
  const to = `local:${file("terminal")}`;
  const { err } = await run(["models", "copy", "--from", main, "--to", to], { isTerminal: true });
  expect(err).toMatch(/copying 1 of 2 models, .* of 2\.\d KiB/);
  expect(err.endsWith("\r\x1b[K")).toBe(true);
});

test("export writes a file that import reads", async () => {
  const archive = file("models.tar");
  const exported = await run(["models", "export", archive, "--registry", main]);
  expect(exported).toMatchObject({
    code: 0,
    out: expect.stringMatching(/2 models exported \(.*\); 1 tag\.\n$/),
  });
  expect(await run(["models", "export", archive, "--registry", main])).toMatchObject({
    code: 2,
    err: expect.stringContaining("is there already"),
  });
  const some = await run(["models", "export", archive, "prod", "--registry", main, "--overwrite"]);
  expect(some).toMatchObject({ code: 0, out: expect.stringContaining("1 model exported") });
  const into = `local:${file("imported")}`;
  const imported = await run(["models", "import", archive, "--registry", into]);
  expect(imported).toMatchObject({ code: 0, out: expect.stringContaining("1 model imported") });
  expect(await run(["resolve", "prod", "--registry", into])).toMatchObject({ out: `${b}\n` });
  const bytes = readFileSync(archive);
  writeFileSync(archive, bytes.subarray(0, bytes.length / 2));
  expect(await run(["models", "import", archive, "--registry", into])).toMatchObject({
    code: 6,
    err: expect.stringContaining("error CORRUPT_ARCHIVE"),
  });
  expect(await run(["models", "import", file("none.tar"), "--registry", into])).toMatchObject({ code: 3 });
  expect(readdirSync(daemon.home).filter((name) => name.includes(".part-"))).toEqual([]);
});

test("diff tells in what two models differ", async () => {
  const { code, out } = await run(["models", "diff", "prod~1", "prod", "--registry", main]);
  expect(code).toBe(0);
  expect(out).toBe(
    `- ${a}\n+ ${b}\nmetadata note\n  - "first"\n  + "second"\nweights  differ; tensors can be told apart in safetensors files alone\n`,
  );
  const same = await run(["models", "diff", a, a.slice(0, 8), "--registry", main]);
  expect(same.out).toBe(`${a} is the same model.\n`);
  const document = JSON.parse((await run(["models", "diff", a, b, "--registry", main, "--json"])).out);
  expect(document).toMatchObject({ hashA: a, hashB: b, tensorsCompared: false, tensors: [] });
  expect(await run(["models", "diff", a, "nothing", "--registry", main])).toMatchObject({ code: 3 });
});

test("verify tells what is amiss by its exit code", async () => {
  const own = `local:${file("verified")}`;
  await run(["models", "copy", "--from", main, "--to", own]);
  const sound = await run(["models", "verify", "--quick", "--registry", own]);
  expect(sound).toMatchObject({ code: 0, out: expect.stringMatching(/2 sound, 0 damaged, .* read\.\n$/) });
  rmSync(join(file("verified"), "_log/prod/000000000001.json"));
  const gap = await run(["models", "verify", "--registry", own]);
  expect(gap.code).toBe(1);
  expect(gap.out).toContain(
    "tags and histories\n  The history of `prod` lacks the moves 1.\n2 sound, 0 damaged, 1 other problem,",
  );
  const weights = join(file("verified"), a, "weights.bin");
  chmodSync(weights, 0o600);
  writeFileSync(weights, "weights of A");
  const quick = await run(["models", "verify", "--quick", "--registry", own]);
  expect(quick.code).toBe(1);
  const full = await run(["models", "verify", "--registry", own], { isTerminal: true });
  expect(full.code).toBe(6);
  expect(full.out).toMatch(/damaged.*\n {2}weights\.bin has the SHA-256 /);
  expect(full.err).toMatch(/[12] of 2 models, /);
});
