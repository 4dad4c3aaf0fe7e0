/** Folders: whose they are, and whether they can be written. */
import { lstatSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { socketPathOf, stateLayout } from "../../config/index.ts";
import { counted } from "../../format.ts";
import { codeFolder } from "../../program/folders.ts";
import type { Context } from "../context.ts";
import type { Location } from "../locate.ts";
import { type Finding, failed, note, ok, problem } from "./finding.ts";
import { namesIn, standing, unwritable } from "./paths.ts";

const OTHER_FOLDER = "Choose another folder with PKX_STATE_DIR or PKX_RUNTIME_DIR.";

export function checkFolders(context: Context, { state, runtime }: Location): Finding[] {
  return [
    checkFolder("state folder", state),
    ...checkStateFiles(state),
    checkFolder("runtime folder", runtime),
    ...checkSocketPath(runtime, state),
    ...checkCodeCache(context),
  ];
}

function checkFolder(check: string, path: string): Finding {
  const link = lstatSync(path, { throwIfNoEntry: false });
  if (link === undefined) return checkMissing(check, path);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isDirectory()) {
    return problem(check, `${path} is not a folder.`, `Move it away: mv ${path} ${path}.old`);
  }
  const uid = process.getuid?.() ?? stat.uid;
  if (link.isSymbolicLink() && link.uid !== uid && link.uid !== 0) {
    return problem(check, `${path} is a link made by user ${link.uid}.`, `Remove it: rm ${path}`);
  }
  if (stat.uid !== uid) {
    return problem(check, `${path} belongs to user ${stat.uid} and not to you (${uid}).`, OTHER_FOLDER);
  }
  if ((stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8);
    return problem(check, `${path} is open to other users (mode ${mode}).`, `Close it: chmod 700 ${path}`);
  }
  const fault = unwritable(path);
  if (fault === undefined) return ok(check, `${path}, yours alone.`);
  const mend =
    fault === "EROFS" ? `Mount it for writing, or: ${OTHER_FOLDER}` : `Open it to you: chmod 700 ${path}`;
  return problem(check, `${path} cannot be written (${fault}).`, mend);
}

function checkMissing(check: string, path: string): Finding {
  const parent = standing(path);
  const fault = statSync(parent).isDirectory() ? unwritable(parent) : "ENOTDIR";
  if (fault === undefined) return note(check, `${path} does not exist yet; the daemon makes it.`);
  return problem(check, `${path} cannot be made: ${parent} cannot be written (${fault}).`, OTHER_FOLDER);
}

/** What `sudo pkx` leaves, for instance: the daemon could open the folder, and not the files in it. */
function checkStateFiles(state: string): Finding[] {
  const uid = process.getuid?.();
  if (uid === undefined || statSync(state, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  const layout = stateLayout(state);
  const folders = [state, dirname(layout.logFile), ...Object.values(layout)];
  const found = folders.flatMap((folder) => [folder, ...namesIn(folder).map((name) => join(folder, name))]);
  const files = [...new Set(found)].filter((path) => path !== state);
  const others = files.filter((path) => (lstatSync(path, { throwIfNoEntry: false })?.uid ?? uid) !== uid);
  const closed = files.filter((path) => !others.includes(path) && isClosed(path));
  const findings: Finding[] = [];
  if (others.length > 0) {
    const message = `${counted(others.length, "file")} of other users, such as ${others[0]}.`;
    findings.push(problem("state files", message, `Make them yours: sudo chown -R ${uid} ${state}`));
  }
  if (closed.length > 0) {
    const message = `${counted(closed.length, "file")} cannot be written, such as ${closed[0]}.`;
    findings.push(problem("state files", message, `Open them to you: chmod -R u+rwX ${state}`));
  }
  return findings;
}

/** By its mode: root may write what it closes. */
function isClosed(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !(stat.isDirectory() || /\.db(-wal|-shm)?$|\.log$|\.lock$/.test(path)))
    return false;
  return (stat.mode & 0o200) === 0;
}

function checkSocketPath(runtime: string, state: string): Finding[] {
  try {
    socketPathOf(runtime, state);
    return [];
  } catch (error) {
    return [failed("runtime folder", error)];
  }
}

/** Where Node keeps compiled code: without it every start takes longer. */
function checkCodeCache({ terminal: { env } }: Context): Finding[] {
  const folder = standing(codeFolder("code", env));
  const fault = unwritable(folder);
  if (fault === undefined) return [];
  return [
    note(
      "code cache",
      `${folder} cannot be written (${fault}): pkx starts slowly.`,
      "Set XDG_CACHE_HOME to a folder of yours.",
    ),
  ];
}
