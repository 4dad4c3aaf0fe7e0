import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Live } from "../../daemon/access/live.ts";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pkx-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The number in a file, which may name another file to be added. */
async function sum(path: string, seen: (file: string) => void): Promise<number> {
  seen(path);
  const [own = "", more] = readFileSync(path, "utf8").trim().split(" ");
  if (!/^\d+$/.test(own)) throw new Error(`${path} holds no number.`);
  return Number(own) + (more === undefined ? 0 : await sum(join(folder, more), seen));
}

test("a write, a rename and a link that leads elsewhere are seen", async () => {
  const path = join(folder, "plain");
  writeFileSync(path, "1");
  const live = await Live.open((seen) => sum(path, seen));
  expect([live.value, await live.check()]).toEqual([1, "same"]);
  writeFileSync(path, "22");
  expect([await live.check(), live.value]).toEqual(["changed", 22]);
  writeFileSync(`${path}.new`, "33");
  renameSync(`${path}.new`, path);
  expect([await live.check(), live.value]).toEqual(["changed", 33]);
});

test("Kubernetes' swap of a link above the file is seen", async () => {
  for (const [version, text] of Object.entries({ "..1": "1", "..2": "2" })) {
    mkdirSync(join(folder, "secret", version), { recursive: true });
    writeFileSync(join(folder, "secret", version, "token"), text);
  }
  const data = join(folder, "secret", "..data");
  symlinkSync("..1", data);
  symlinkSync("..data/token", join(folder, "secret", "token"));
  const live = await Live.open((seen) => sum(join(folder, "secret", "token"), seen));
  symlinkSync("..2", `${data}_tmp`);
  renameSync(`${data}_tmp`, data);
  expect([await live.check(), live.value]).toEqual(["changed", 2]);
});

test("what cannot be used leaves the value, is told once, and mends itself with the file that was at fault", async () => {
  const path = join(folder, "main");
  writeFileSync(path, "1 other");
  writeFileSync(join(folder, "other"), "10");
  const live = await Live.open((seen) => sum(path, seen));
  expect(live.value).toBe(11);
  writeFileSync(path, "2 third");
  expect(await live.check()).toBe("refused");
  expect([live.value, live.fault?.message]).toEqual([11, expect.stringContaining("third")]);
  expect(await live.check()).toBe("same");
  writeFileSync(join(folder, "third"), "100");
  expect([await live.check(), live.value, live.fault]).toEqual(["changed", 102, undefined]);
  writeFileSync(join(folder, "other"), "99");
  expect(await live.check()).toBe("same");
  rmSync(path);
  expect([await live.check(), live.value]).toEqual(["refused", 102]);
});
