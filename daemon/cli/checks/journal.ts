/** The journal as a file, while no daemon has it open. */
import { statSync } from "node:fs";
import { stateLayout } from "../../config/index.ts";
import { bytes, count } from "../../format.ts";
import { StateLock } from "../../lifecycle/index.ts";
import type { Context } from "../context.ts";
import type { Location } from "../locate.ts";
import { type Finding, note, ok, problem } from "./finding.ts";

/** A journal up to this size is read as a whole, bytes: a second or so. */
const READ_AT_MOST = 64 * 1024 ** 2;
const SALVAGE = "Save what is intact: `pkx journal salvage`.";

/** Holds the daemon's lock meanwhile; a client that starts one waits for it. */
export async function checkJournal(context: Context, { state }: Location): Promise<Finding[]> {
  const { journalFile: file, lockFile } = stateLayout(state);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) return [note("journal", "There is none yet.")];
  if (!found.isFile())
    return [problem("journal", `${file} is no file.`, `Move it away: mv ${file} ${file}.old`)];
  // With SQLite and what decodes frames: not needed where a daemon answers.
  const { glance, verify } = await import("../../journal/index.ts");
  let lock: StateLock | undefined;
  try {
    lock = StateLock.take(lockFile);
    // Told by what it belongs to: somebody holds the lock and does not answer.
    if (lock === undefined) return [];
    const seen = glance(file);
    if (seen === undefined) return [];
    if (seen.fault !== "") return [problem("journal", seen.fault, SALVAGE)];
    if (seen.version > seen.writes) {
      const message = `The journal is of version ${seen.version}; this pkx knows ${seen.writes}.`;
      return [problem("journal", message, "Use the newer pkx, or another state folder (PKX_STATE_DIR).")];
    }
    if (seen.version < seen.writes) {
      const message = `The journal is of version ${seen.version}; the next daemon brings it to ${seen.writes}.`;
      return [
        note("journal", message, "An older pkx cannot read it from then on: `pkx backup` keeps a copy."),
      ];
    }
    const look = `pkx journal verify${context.options.stateDir === undefined ? "" : ` --state-dir ${state}`}`;
    if (seen.bytes > READ_AT_MOST) {
      return [
        note(
          "journal",
          `${bytes(seen.bytes)}; its ends are sound, it was not read as a whole.`,
          `\`${look}\` does.`,
        ),
      ];
    }
    const { runs, points, faults } = await verify(file, undefined, context.signal);
    if (faults.length > 0) {
      const more = faults.length === 1 ? "" : ` ${count(faults.length - 1)} more: \`${look}\` tells them.`;
      return [problem("journal", `${faults[0]}${more}`, SALVAGE)];
    }
    return [ok("journal", `Sound: ${count(runs)} runs, ${count(points)} points, ${bytes(seen.bytes)}.`)];
  } finally {
    lock?.release();
  }
}
