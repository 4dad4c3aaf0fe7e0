/** The file that both file-writing trackers grow. */

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AppendFile } from "../../adapters/append-file.ts";
import { fileSetback } from "../../adapters/file-faults.ts";
import { openSmallDisk } from "../support/small-disk.ts";

const never = new AbortController().signal;
let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pkx-append-"));
  path = join(folder, "file");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const resumed = async (length: number): Promise<AppendFile> => {
  const file = await AppendFile.resume(path, length, never);
  if (!(file instanceof AppendFile)) throw new Error(JSON.stringify(file));
  return file;
};

test("a tail stands behind what is settled until the next write", async () => {
  const file = await AppendFile.create(path, never);
  await file.write(Buffer.from("abc"), Buffer.from("a long tail"));
  expect(file.length).toBe(3);
  await file.write(Buffer.from("def"), Buffer.from("."));
  expect(readFileSync(path, "utf8")).toBe("abcdef.");
  expect(await file.look()).toBe("whole");
  await resumed(file.length);
  expect(readFileSync(path, "utf8")).toBe("abcdef");
});

test("what is gone or shorter is left alone and told of", async () => {
  expect(await AppendFile.resume(path, 0, never)).toBe("gone");
  expect(existsSync(path)).toBe(false);
  writeFileSync(path, "abc");
  expect(await AppendFile.resume(path, 4, never)).toEqual({ size: 3 });
  const file = await resumed(3);
  writeFileSync(path, "ab");
  expect(await file.look()).toEqual({ size: 2 });
  rmSync(path);
  expect(await file.look()).toBe("gone");
});

test("a write under way is waited for before the file is opened again; who had it writes no more", async () => {
  const first = await AppendFile.create(path, never);
  const writing = first.write(Buffer.alloc(64 * 1024 * 1024, "x"));
  await expect(AppendFile.resume(path, 0, AbortSignal.abort(new Error("stop")))).rejects.toThrow("stop");
  const second = await resumed(0);
  await writing;
  expect(statSync(path).size).toBe(0);
  await second.write(Buffer.from("second"));
  await expect(first.write(Buffer.from("first"))).rejects.toThrow("held by a later writer");
  first.close();
  await second.write(Buffer.from("!"));
  expect(readFileSync(path, "utf8")).toBe("second!");
});

test("a full disk leaves the file as it was, and says so", async ({ skip }) => {
  const disk = openSmallDisk();
  try {
    if (!disk.canFail) skip("This user may not mount a file system.");
    const file = await AppendFile.create(join(disk.folder, "file"), never);
    await file.write(Buffer.from("abc"), Buffer.from("tail"));
    disk.fill();
    const error = await file
      .write(Buffer.alloc(100_000, "x"), Buffer.from("tail"))
      .catch((fault: unknown) => fault);
    expect(fileSetback(error, file.path)).toMatchObject({
      status: "retry",
      reason: expect.stringContaining("no space left"),
    });
    expect(readFileSync(file.path, "utf8")).toBe("abc");
    expect(await file.look()).toBe("whole");
    disk.mend();
    disk.forbid();
    const denied = await file.write(Buffer.from("d")).catch((fault: unknown) => fault);
    expect(fileSetback(denied, file.path).reason).toContain("read-only");
    disk.mend();
    await file.write(Buffer.from("d"), Buffer.from("tail"));
    expect(readFileSync(file.path, "utf8")).toBe("abcdtail");
  } finally {
    disk.close();
  }
});
