/** `pkx artifact` on files that Python has written, and on damaged ones. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readArtifact } from "../../daemon/cli/artifact-file.ts";
import { pkx } from "../support/terminal.ts";

const GOLDEN = resolve(import.meta.dirname, "../golden/artifacts");
const training = join(GOLDEN, "training-v1.artifact");
const inference = join(GOLDEN, "inference-v1.artifact");
const folder = mkdtempSync(join(tmpdir(), "pkx-artifact-"));
afterAll(() => rmSync(folder, { recursive: true }));

function written(content: Buffer | string): string {
  const path = join(folder, "a");
  writeFileSync(path, content);
  return path;
}

/** The text with its digest set right. */
function sealed(text: string): string {
  const zeros = "0".repeat(64);
  const open = text.replace(/(?<="sha256:)[0-9a-f]{64}/, zeros);
  return open.replace(zeros, createHash("sha256").update(open).digest("hex"));
}

test("show tells what a training artifact records", async () => {
  const { code, out } = await pkx(["artifact", "show", training]);
  expect(code).toBe(0);
  expect(out).toMatch(/^format +pipekit-training-artifact, version 1$/m);
  expect(out).toMatch(new RegExp(`^model +${"ef".repeat(32)}$`, "m"));
  expect(out).toMatch(/^data set +ab12cd$/m);
  expect(out).toMatch(/^run +mlflow:\/\/runs\/abc123$/m);
  expect(out).toMatch(/^registry +s3:\/\/imeo-models\/emulators\/methane_emulator_v3$/m);
  expect(out).toMatch(/^backend +lightning$/m);
  expect(out).toMatch(/^pipeline +3 lines: --print pipeline$/m);
});

test("show names the pinned models of an inference artifact", async () => {
  const { code, out } = await pkx(["artifact", "show", inference]);
  expect(code).toBe(0);
  expect(out).toMatch(new RegExp(`^model +${"ab".repeat(32)} +the pipeline itself$`, "m"));
  expect(out).toMatch(new RegExp(`^model +${"cd".repeat(32)} +nodes/encoder$`, "m"));
});

test("one part is printed as it was recorded", async () => {
  const part = async (file: string, name: string) =>
    (await pkx(["artifact", "show", file, "--print", name])).out;
  expect(await part(training, "pipeline")).toBe("module: m\nclass: Loop\nconfig: {}\n");
  expect(await part(inference, "pipeline")).toBe("module: m\nclass: Pipe\nconfig: {}\n");
  expect(await part(training, "lock")).toBe("# lock\nnumpy==2.1.0\n");
  expect(await part(training, "diff")).toBe("");
  expect((await pkx(["artifact", "show", training, "--print", "all"])).code).toBe(2);
});

test("with --json all of it is printed", async () => {
  const { out } = await pkx(["artifact", "show", training, "--json"]);
  expect(JSON.parse(out)).toMatchObject({
    file: training,
    format: "pipekit-training-artifact",
    version: 1,
    body: {
      deps_lock: "# lock\nnumpy==2.1.0\n",
      metadata: { author: "ej", date: "2026-Q2", Größe: 1.5 },
      backend_info: { lightning_version: "2.4.0" },
    },
  });
  const verified = await pkx(["artifact", "verify", inference, "--json"]);
  expect(JSON.parse(verified.out)).toMatchObject({ file: inference, version: 1, sound: true });
  expect(await pkx(["artifact", "verify", inference])).toEqual({
    code: 0,
    out: `${inference} is sound.\n`,
    err: "",
  });
});

test("each changed byte is found", async () => {
  const data = readFileSync(training);
  for (let at = 0; at < data.length; at++) {
    const changed = Buffer.from(data);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await expect(readArtifact(written(changed))).rejects.toMatchObject({ code: "CORRUPT_ARTIFACT" });
  }
});

test("damage, a newer version and a file that is none are told by the exit code", async () => {
  const text = readFileSync(training, "utf8");
  const verify = (content: string) => pkx(["artifact", "verify", written(content)]);
  expect(await verify(text.slice(0, -1))).toMatchObject({ code: 6, err: expect.stringContaining("digest") });
  expect(await verify(text.replaceAll("\n", "\r\n"))).toMatchObject({
    code: 6,
    err: expect.stringContaining("line ends"),
  });
  expect(await verify("")).toMatchObject({ code: 6, err: expect.stringContaining("does not begin") });
  expect(await verify(sealed(text.replace('"dataset_hash"', '"data"')))).toMatchObject({
    code: 6,
    err: expect.stringContaining("`dataset_hash` is missing"),
  });
  expect(await verify(sealed(text.replace('"version": 1', '"version": 2')))).toMatchObject({
    code: 1,
    err: expect.stringMatching(/FORMAT_TOO_NEW.* has version 2 .* up to 1\.\nUpdate/s),
  });
  expect(await pkx(["artifact", "verify", join(folder, "none")])).toMatchObject({ code: 3 });
  const told = await pkx(["artifact", "verify", written("{}"), "--json"]);
  expect(JSON.parse(told.err).error).toMatchObject({ code: "CORRUPT_ARTIFACT", field: join(folder, "a") });
});

test("what a stranger wrote steers no terminal", async () => {
  const text = readFileSync(inference, "utf8").replace("nodes/encoder", "\\u001b[31mred");
  const { code, out } = await pkx(["artifact", "show", written(sealed(text))]);
  expect(code).toBe(0);
  expect(out).not.toContain("\u001b");
});

test.each(["show", "verify"])("pkx artifact %s has examples", async (name) => {
  const { out } = await pkx(["artifact", name, "--help"]);
  expect(out).toContain(`Examples:\n  pkx artifact ${name}`);
});
