/** `pkx journal`: looks at the journal as a file, while no daemon runs. */
import { existsSync, linkSync, renameSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { PipekitError, stateFolder } from "@pipekit/experiment";
import type { Command } from "commander";
import { stateLayout } from "../config/index.ts";
import { count } from "../format.ts";
import { StateLock } from "../lifecycle/index.ts";
import type { Commands, Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { ProgressLine } from "./progress.ts";
import { plain } from "./terminal.ts";

export function addJournalCommands(program: Command, commands: Commands): void {
  const journal = program
    .command("journal")
    .description("verify a journal, and save what is intact of a damaged one; no daemon may run")
    .addHelpText("after", "\nExamples:\n  pkx journal verify\n  pkx journal salvage");
  commands.define(
    journal.command("verify").description("read every byte of the journal; exits 6 on damage"),
    {
      starts: false,
      examples: "pkx journal verify\npkx journal verify --json",
      run: verifyJournal,
    },
  );
  const salvage = journal
    .command("salvage")
    .description("put what is intact of a damaged journal in its place; the damaged file is kept beside it");
  commands.define(salvage, {
    starts: false,
    examples: "pkx journal salvage\npkx journal salvage --state-dir /mnt/cluster/state",
    run: salvageJournal,
  });
}

async function verifyJournal(context: Context): Promise<number> {
  const { verify } = await import("../journal/index.ts");
  const line = new ProgressLine(context.terminal);
  const report = await alone(context, async (file) => {
    try {
      return await verify(file, (share) => line.show(`${percent(share)} read`), context.signal);
    } finally {
      line.clear();
    }
  });
  context.print(report, () => [
    `${count(report.runs)} runs, ${count(report.frames)} frames, ${count(report.points)} points.`,
    ...report.notes.map(plain),
    ...report.faults.map((fault) => context.paint("red", plain(fault))),
    report.faults.length === 0 ? "The journal is sound." : "Save what is intact with `pkx journal salvage`.",
  ]);
  return report.faults.length === 0 ? EXIT.ok : EXIT.corrupt;
}

async function salvageJournal(context: Context): Promise<undefined> {
  const { salvage } = await import("../journal/index.ts");
  const line = new ProgressLine(context.terminal);
  const { report, damaged } = await alone(context, async (file) => {
    const salvaged = `${file}.salvaged`;
    // One that is there was finished by a salvage which was killed before it could put it in its place.
    const kept = existsSync(salvaged);
    try {
      const show = (share: number) => line.show(`${percent(share)} read`);
      const done = kept ? undefined : await salvage(file, salvaged, show, context.signal);
      return { report: done, damaged: putInPlace(salvaged, file) };
    } finally {
      line.clear();
    }
  });
  context.print({ ...report, damaged }, () => [
    ...(report === undefined
      ? ["A salvage that was broken off is finished."]
      : [
          `Saved ${count(report.runs)} runs, ${count(report.frames)} frames, ${count(report.points)} points.`,
        ]),
    ...(report?.lostFrames ?? []).map(({ from, to }) =>
      context.paint("yellow", `Lost: ${from === to ? `frame ${from}` : `frames ${from} to ${to}`}.`),
    ),
    ...(report?.reasons ?? []).map(plain),
    `The damaged journal is kept as ${damaged}.`,
  ]);
}

/**
 * The write-ahead log of the damaged journal must be gone before the new one takes its name, or SQLite would play it
 * into the new one. Both are linked under another name before, so that nothing is lost at any point.
 */
function putInPlace(salvaged: string, file: string): string {
  const damaged = `${file}.damaged-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
  for (const suffix of ["", "-wal"]) {
    if (existsSync(file + suffix)) linkSync(file + suffix, damaged + suffix);
  }
  for (const suffix of ["-wal", "-shm"]) rmSync(file + suffix, { force: true });
  renameSync(salvaged, file);
  return damaged;
}

/** Works on the journal with the daemon's lock held. Throws INVALID_ARGUMENT, DAEMON_UNAVAILABLE when one runs. */
async function alone<T>(context: Context, work: (file: string) => Promise<T>): Promise<T> {
  const folder = resolve(context.options.stateDir ?? stateFolder(context.terminal.env));
  const { journalFile: file, lockFile } = stateLayout(folder);
  if (!existsSync(file)) {
    throw new PipekitError("INVALID_ARGUMENT", `There is no journal in ${folder}.`, {
      field: "state-dir",
      mend: "Name the state folder with --state-dir.",
    });
  }
  const lock = StateLock.take(lockFile);
  if (lock === undefined) {
    throw new PipekitError("INVALID_ARGUMENT", `A daemon uses the journal in ${folder}.`, {
      field: "state-dir",
      mend: "Stop it with `pkx stop`.",
    });
  }
  try {
    return await work(file);
  } finally {
    lock.release();
  }
}

function percent(share: number): string {
  return `${Math.floor(share * 100)} %`;
}
