/**
 * `node test/bench/soak/main.ts [MINUTES] [POINTS_PER_SECOND]`, by hand, after `node daemon/build.ts`: the soak, with a
 * line for each sample, and the table of docs/operations.md. Exit code 1 when a figure grew or anything was lost.
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machine } from "../machine.ts";
import { type SoakReport, soak } from "./soak.ts";
import { type Course, courses, FLAT } from "./verdict.ts";

const [minutes = "15", rate = "20000"] = process.argv.slice(2);
const RUN = { trainers: 10, keys: 10, stepsOfRun: 600, mostWaiting: 20 };

const show = ({ figure }: Course, value: number) =>
  figure === "fds" || figure === "threads" ? `${value}` : `${(value / 2 ** 20).toFixed(1)} MiB`;

function print(report: SoakReport): void {
  const { tally, samples, shown, faults, runsPruned, journalLeft } = report;
  const all = courses(samples, FLAT);
  console.log(`${machine()}, ${minutes} minutes\n`);
  console.log(
    `${tally.points} points of ${tally.runsEnded} runs (${shown} shown by the tracker, ${runsPruned} runs pruned), ` +
      `${tally.models} models, ${tally.reconnects} clients that came back. ` +
      `When all was pruned the journal had ${(journalLeft / 2 ** 20).toFixed(1)} MiB.\n`,
  );
  console.log("| figure | second third | last third | most | flat |\n|---|---|---|---|---|");
  for (const course of all) {
    const { figure, middle, end, most, flat } = course;
    const verdict = flat === undefined ? "" : flat ? "yes" : "NO";
    console.log(
      `| ${figure} | ${show(course, middle)} | ${show(course, end)} | ${show(course, most)} | ${verdict} |`,
    );
  }
  for (const fault of faults) console.log(`FAULT ${fault}`);
  if (faults.length > 0 || shown !== tally.points || all.some(({ flat }) => flat === false))
    process.exitCode = 1;
}

// A bundle of its own: it is loaded piece by piece, and may be built anew meanwhile.
const bundle = mkdtempSync(join(tmpdir(), "pkx-dist-"));
try {
  cpSync(join(import.meta.dirname, "../../../daemon/dist"), bundle, { recursive: true });
  const report = await soak({
    ...RUN,
    pointsPerSecond: Number(rate),
    seconds: Number(minutes) * 60,
    sampleEvery: 5,
    outageEvery: 60,
    pruneEvery: 2,
    modelEvery: 1,
    start: { script: join(bundle, "pkx.mjs") },
    onSample: ({ second, rss, heap, fds, threads, journal, wal }, { points, runsEnded, ended }) => {
      const mib = [rss, heap, journal, wal].map((bytes) => (bytes / 2 ** 20).toFixed(1)).join(" ");
      console.error(
        `${second} s: ${mib} MiB, ${fds} fds, ${threads} threads; ${points} points, ${runsEnded} runs, ${ended.size} open`,
      );
    },
  });
  print(report);
} finally {
  rmSync(bundle, { recursive: true, force: true });
}
