/** Six seconds of the soak (test/bench/soak): nothing is lost, and nothing grows beyond loose bounds. */
import { expect, test } from "vitest";
import { soak } from "../bench/soak/soak.ts";
import { type Bounds, courses, FLAT } from "../bench/soak/verdict.ts";

const MIB = 2 ** 20;
/** A daemon that has just started still grows into its memory; what leaks with each run or client goes beyond. */
const LOOSE: Bounds = {
  rss: { share: 0.5, amount: 100 * MIB },
  fds: { share: 0, amount: 20 },
  threads: { share: 0, amount: 3 },
  journal: { share: 1, amount: 8 * MIB },
  wal: { share: 0, amount: 16 * MIB },
  log: { share: 0, amount: MIB },
  files: { share: 1, amount: 4 * MIB },
};

test("a busy day in short: all is delivered once, and the daemon stays the size that it has", async () => {
  const { samples, tally, shown, faults, runsPruned, exitCode } = await soak({
    seconds: 6,
    sampleEvery: 0.5,
    outageEvery: 3,
    pruneEvery: 0.5,
    modelEvery: 0.3,
    trainers: 8,
    keys: 10,
    stepsOfRun: 60,
    mostWaiting: 40,
    pointsPerSecond: 4000,
  });
  expect(faults).toEqual([]);
  expect(exitCode).toBe(0);
  expect(shown).toBe(tally.points);
  expect(runsPruned).toBe(tally.runsEnded);
  expect(tally.runsEnded).toBeGreaterThan(8);
  expect(tally.reconnects).toBeGreaterThan(0);
  expect(tally.models).toBeGreaterThan(3);
  expect(courses(samples, LOOSE).filter(({ flat }) => flat === false)).toEqual([]);
});

test("what rises and falls is flat; what only rises is not", () => {
  const still = {
    rss: 300 * MIB,
    heap: 80 * MIB,
    fds: 60,
    threads: 13,
    journal: MIB,
    wal: MIB,
    log: 0,
    audit: 0,
    files: 0,
  };
  const samples = Array.from({ length: 300 }, (_, second) => ({
    ...still,
    second,
    // Garbage comes and goes.
    heap: (60 + (second % 7) * 20) * MIB,
    // A file that is never closed, every minute.
    fds: 60 + Math.floor(second / 30),
    rss: 300 * MIB + second * 0.4 * MIB,
  }));
  const flat = new Map(courses(samples, FLAT).map((course) => [course.figure, course.flat]));
  expect(flat.get("heap")).toBe(true);
  expect(flat.get("fds")).toBe(false);
  expect(flat.get("rss")).toBe(false);
  expect(flat.get("threads")).toBe(true);
});
