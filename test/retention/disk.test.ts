import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DiskWatch } from "../../daemon/retention/index.ts";

const QUOTA = 1_000_000;
let stateFolder: string;
let nowMs: number;
let free: number;
let kept: number;
let warned: string[];

beforeEach(() => {
  stateFolder = mkdtempSync(join(tmpdir(), "pkx-"));
  mkdirSync(join(stateFolder, "spool"));
  [nowMs, free, kept, warned] = [1e6, 50e9, 0, []];
});

afterEach(() => rmSync(stateFolder, { recursive: true, force: true }));

function watch(quotaBytes = QUOTA): DiskWatch {
  return new DiskWatch({
    stateFolder,
    spoolFolder: join(stateFolder, "spool"),
    quotaBytes,
    content: { bytes: async () => kept },
    log: { warn: (_: object, message: string) => warned.push(message) } as never,
    now: () => nowMs,
    freeBytes: async () => free,
  });
}

/** The state a second and more later. */
async function later(disk: DiskWatch) {
  nowMs += 1001;
  return disk.state();
}

test("journal, its log, spool and content count, and a measurement is kept for a second", async () => {
  writeFileSync(join(stateFolder, "journal.db"), Buffer.alloc(1000));
  writeFileSync(join(stateFolder, "journal.db-wal"), Buffer.alloc(200));
  writeFileSync(join(stateFolder, "spool/w.frames"), Buffer.alloc(30));
  kept = 4;
  const disk = watch();
  expect(await disk.state()).toEqual({ quotaBytes: QUOTA, usedBytes: 1234, freeBytes: 50e9, warnings: [] });
  kept = 5;
  expect((await disk.state()).usedBytes).toBe(1234);
  expect((await later(disk)).usedBytes).toBe(1235);
  kept = 6;
  disk.forget();
  expect((await disk.state()).usedBytes).toBe(1236);
});

test("warnings begin at 70 %, each level is logged once, and at the quota nothing is taken in", async () => {
  const disk = watch();
  const taken = async (share: number) => {
    kept = share * QUOTA;
    const { warnings } = await later(disk);
    const admitted = await disk.admit().then(
      () => true,
      (error: { code: string; mend: string }) => `${error.code} ${error.mend}`,
    );
    return { warnings, admitted };
  };
  expect(await taken(0.69)).toEqual({ warnings: [], admitted: true });
  expect(await taken(0.7)).toMatchObject({ warnings: [expect.stringContaining("70 %")], admitted: true });
  await taken(0.75);
  await taken(0.8);
  expect(warned).toHaveLength(1);
  await taken(0.86);
  await taken(0.96);
  expect(warned).toHaveLength(3);
  expect((await taken(1)).admitted).toMatch(/^STORAGE_FULL .*pkx prune/);
  expect(warned).toHaveLength(4);
  expect(await taken(0.5)).toEqual({ warnings: [], admitted: true });
  await taken(0.71);
  expect(warned).toHaveLength(5);
});

test("the first frame waits for the first measurement: a folder that is full at the start takes nothing", async () => {
  kept = 2 * QUOTA;
  await expect(watch().admit()).rejects.toMatchObject({ code: "STORAGE_FULL", field: "disk_quota_gb" });
  const started = watch();
  started.start();
  await expect(started.admit()).rejects.toMatchObject({ code: "STORAGE_FULL" });
  started.stop();
  await watch(0).admit();
});

test("where the disk cannot be looked at that is said, and nothing is refused for it", async () => {
  const broken = new DiskWatch({
    stateFolder,
    spoolFolder: stateFolder,
    quotaBytes: QUOTA,
    content: { bytes: async () => Promise.reject(Object.assign(new Error("no"), { code: "EIO" })) },
    log: { warn: () => undefined } as never,
  });
  await broken.admit();
  expect((await broken.state()).warnings).toEqual([
    "The disk of the state folder cannot be looked at (EIO).",
  ]);
});

test("a disk that fills up is told of, quota or not", async () => {
  const disk = watch(0);
  free = 1.5e9;
  expect(await disk.state()).toMatchObject({
    warnings: ["The disk of the state folder has only 1.5 GB left."],
  });
  free = 50e6;
  await later(disk);
  expect(warned).toHaveLength(2);
});
