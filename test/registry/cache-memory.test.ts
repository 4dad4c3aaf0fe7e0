/** What is remembered of verified files, and work that is shared. */
import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FileMemory } from "../../daemon/registry/cache/memory.ts";
import { SharedWork } from "../../daemon/registry/cache/shared-work.ts";
import { CLOCK_GRAIN_MS, VerifiedFiles, WORTH_WAITING_BYTES } from "../../daemon/registry/verified.ts";
import { never, sha256 } from "../contract/registry-harness.ts";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pkx-memory-"));
  file = join(folder, "verified.log");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("what was noted is there after a restart, the last one of each path", async () => {
  const memory = new FileMemory(file);
  await memory.note("/a", "1", "aa");
  await memory.note("/b\n[", "2", "bb");
  await memory.note("/a", "3", "cc");
  await memory.note("/c", "4", "dd");
  await memory.forget("/c");
  const again = new FileMemory(file);
  expect(await again.find("/a")).toMatchObject({ seen: "3", sha256: "cc" });
  expect(await again.find("/b\n[")).toMatchObject({ seen: "2", sha256: "bb" });
  expect(await again.find("/c")).toBeUndefined();
});

test("a damaged line costs itself, wherever it is damaged", async () => {
  const memory = new FileMemory(file);
  for (let i = 0; i < 10; i++) await memory.note(`/${i}`, `${i}`, sha256(`${i}`));
  const bytes = await readFile(file);
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, bits) => {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ bits;
      await writeFile(file, damaged);
      const read = new FileMemory(file);
      let lost = 0;
      for (let i = 0; i < 10; i++) {
        const found = await read.find(`/${i}`);
        if (found === undefined) lost += 1;
        else expect(found).toMatchObject({ seen: `${i}`, sha256: sha256(`${i}`) });
      }
      // A newline that is gone joins two lines.
      expect(lost).toBeLessThanOrEqual(2);
    }),
    { numRuns: 200 },
  );
});

test("a line that was cut off spoils no later one", async () => {
  await new FileMemory(file).note("/a", "1", "aa");
  await appendFile(file, '\n01234567 ["/b","2');
  await new FileMemory(file).note("/c", "3", "cc");
  expect(await new FileMemory(file).find("/c")).toMatchObject({ sha256: "cc" });
  expect(await new FileMemory(file).find("/b")).toBeUndefined();
});

test("the file stays small", async () => {
  const memory = new FileMemory(file);
  for (let i = 0; i < 5000; i++) await memory.note("/a", `${i}`, "aa");
  expect((await stat(file)).size).toBeLessThan(1200 * 60);
  expect(await new FileMemory(file).find("/a")).toMatchObject({ seen: "4999" });
});

test("a file that cannot be written makes nothing fail", async () => {
  const memory = new FileMemory(join(file, "x", "verified.log"));
  await writeFile(file, "in the way");
  await memory.note("/a", "1", "aa");
  expect(await memory.find("/a")).toMatchObject({ sha256: "aa" });
});

test("a file is not believed that may change without a trace", async () => {
  const path = join(folder, "w");
  const memory = new FileMemory();
  const verified = new VerifiedFiles(memory);
  const digest = { sha256: sha256("one"), size: 3 };
  await writeFile(path, "one");
  await verified.check(path, "w", digest, never);
  expect(await memory.find(path)).toBeUndefined();
  await setTimeout(2 * CLOCK_GRAIN_MS);
  await verified.check(path, "w", digest, never);
  expect(await memory.find(path)).toMatchObject({ sha256: digest.sha256 });
  await writeFile(path, "two");
  await expect(verified.check(path, "w", digest, never)).rejects.toThrow("w has the SHA-256");
});

test("a large file is remembered although it was written just now", async () => {
  const path = join(folder, "w");
  const memory = new FileMemory();
  const bytes = Buffer.alloc(WORTH_WAITING_BYTES, 7);
  await writeFile(path, bytes);
  const { ctimeMs } = await stat(path);
  // The first look comes at once, however busy the machine is.
  vi.spyOn(Date, "now").mockReturnValueOnce(ctimeMs + 1);
  await new VerifiedFiles(memory).check(path, "w", { sha256: sha256(bytes), size: bytes.length }, never);
  expect(await memory.find(path)).toMatchObject({ sha256: sha256(bytes) });
});

test("what holds until the machine stops is forgotten when it has been started anew", async () => {
  const path = join(folder, "w");
  const digest = { sha256: sha256("one"), size: 3 };
  await writeFile(path, "one");
  await setTimeout(2 * CLOCK_GRAIN_MS);
  await new VerifiedFiles(new FileMemory(file), "boot-1").check(path, "w", digest, never);
  expect(await new VerifiedFiles(new FileMemory(file), "boot-1").isKnown(path, digest)).toBe(true);
  expect(await new VerifiedFiles(new FileMemory(file), "boot-2").isKnown(path, digest)).toBe(false);
  expect(await new VerifiedFiles(new FileMemory(file)).isKnown(path, digest)).toBe(false);
  await new VerifiedFiles(new FileMemory(file), "boot-2").check(path, "w", digest, never);
  expect(await new VerifiedFiles(new FileMemory(file), "boot-2").isKnown(path, digest)).toBe(true);
});

test("work is stopped when all who wait have gone, and begun anew for who comes then", async () => {
  const shared = new SharedWork<number>();
  const stops = [new AbortController(), new AbortController()];
  let started = 0;
  const signals: AbortSignal[] = [];
  const work = (signal: AbortSignal): Promise<number> => {
    signals.push(signal);
    started += 1;
    return started === 1 ? new Promise(() => undefined) : Promise.resolve(started);
  };
  const waiting = stops.map(({ signal }) => expect(shared.run("k", work, signal)).rejects.toThrow());
  expect(started).toBe(1);
  stops[0]?.abort();
  await waiting[0];
  expect(signals[0]?.aborted).toBe(false);
  stops[1]?.abort();
  await waiting[1];
  expect(signals[0]?.aborted).toBe(true);
  expect(await shared.run("k", work, never)).toBe(2);
  expect(await shared.run("k", work, never)).toBe(3);
});
