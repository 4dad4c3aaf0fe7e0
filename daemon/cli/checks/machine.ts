/** What can be seen without the daemon: Node, folders, config, disk. */
import { existsSync, lstatSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { PipekitError } from "@pipekit/experiment";
import { type Config, loadConfig } from "../../config/index.ts";
import { bytes } from "../../format.ts";
import type { Context } from "../context.ts";
import { locate } from "../locate.ts";

/** What was found; a problem has its mend. */
export interface Finding {
  readonly check: string;
  readonly state: "ok" | "note" | "problem";
  readonly message: string;
  readonly mend?: string;
}

const NODE_MAJOR = 24;
const LITTLE_SPACE = 1024 ** 3;

export function ok(check: string, message: string): Finding {
  return { check, state: "ok", message };
}

export function note(check: string, message: string, mend?: string): Finding {
  return { check, state: "note", message, ...(mend !== undefined && { mend }) };
}

export function problem(check: string, message: string, mend: string): Finding {
  return { check, state: "problem", message, mend };
}

/** A failure as a finding. */
export function failed(check: string, error: unknown): Finding {
  if (error instanceof PipekitError)
    return problem(check, error.message, error.mend || "Look at `pkx logs`.");
  return problem(check, String(error), "Look at `pkx logs`.");
}

export async function checkMachine(context: Context): Promise<Finding[]> {
  const { state, runtime } = locate(context);
  return [
    checkNode(),
    checkFolder("state folder", state),
    checkFolder("runtime folder", runtime),
    await checkConfig(context),
    checkDisk(state),
  ];
}

function checkNode(): Finding {
  const { node } = process.versions;
  if (Number(node.split(".")[0]) >= NODE_MAJOR) return ok("node", `Node ${node}.`);
  const mend = `Install Node ${NODE_MAJOR}, or set PKX_NODE to one.`;
  return problem("node", `Node ${node} is too old; the daemon needs ${NODE_MAJOR}.`, mend);
}

function checkFolder(check: string, path: string): Finding {
  const link = lstatSync(path, { throwIfNoEntry: false });
  if (link === undefined) return note(check, `${path} does not exist yet; the daemon makes it.`);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isDirectory()) {
    return problem(check, `${path} is not a folder.`, `Move it away: mv ${path} ${path}.old`);
  }
  const uid = process.getuid?.() ?? stat.uid;
  if (stat.uid !== uid) {
    return problem(check, `${path} belongs to user ${stat.uid} and not to you (${uid}).`, OTHER_FOLDER);
  }
  if ((stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8);
    return problem(check, `${path} is open to other users (mode ${mode}).`, `Close it: chmod 700 ${path}`);
  }
  return ok(check, `${path}, yours alone.`);
}

const OTHER_FOLDER = "Choose another folder with PKX_STATE_DIR or PKX_RUNTIME_DIR.";

async function checkConfig(context: Context): Promise<Finding> {
  let config: Config;
  try {
    config = await loadConfig({}, context.terminal.env);
  } catch (error) {
    return failed("config", error);
  }
  const trackers = Object.keys(config.trackers).length;
  if (!existsSync(config.configFile)) return ok("config", `No file at ${config.configFile}; defaults hold.`);
  return ok("config", `${config.configFile} is valid, ${trackers} named trackers.`);
}

function checkDisk(state: string): Finding {
  let folder = state;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= LITTLE_SPACE) return ok("disk space", `${bytes(free)} free at ${folder}.`);
  return problem(
    "disk space",
    `Only ${bytes(free)} are free at ${folder}.`,
    "Free space, or move the state folder.",
  );
}
