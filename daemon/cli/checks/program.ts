/** The program itself: Node, the daemon that clients would start, what the system lets it open. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { NODE_MAJOR } from "../../node-version.ts";
import { VERSION } from "../../version.ts";
import type { Context } from "../context.ts";
import { type Finding, note, ok, problem } from "./finding.ts";

/** A program that does not tell its version within this time does not work, milliseconds. */
const VERSION_TIMEOUT_MS = 5000;
/** Fewest files that a daemon with some clients and sinks gets along with. */
const FEWEST_FILES = 1024;
/** Share of them from which it is near its end. */
const NEARLY_ALL = 0.8;
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

export async function checkProgram(context: Context): Promise<Finding[]> {
  return [
    checkNode(),
    ...(await checkNamedNode(context)),
    ...(await checkNamedDaemon(context)),
    ...checkFiles("self", "This user's programs"),
    ...checkProxies(context),
  ];
}

function checkNode(): Finding {
  const { node } = process.versions;
  if (Number(node.split(".")[0]) >= NODE_MAJOR) return ok("node", `Node ${node}.`);
  const mend = `Install Node ${NODE_MAJOR}, or set PKX_NODE to one.`;
  return problem("node", `Node ${node} is too old; the daemon needs ${NODE_MAJOR}.`, mend);
}

async function checkNamedNode({ terminal: { env } }: Context): Promise<Finding[]> {
  const named = env["PKX_NODE"];
  if (!named) return [];
  const mend = `Set PKX_NODE to a Node of ${NODE_MAJOR} or later, or unset it.`;
  const told = await versionOf(named, ["--version"]);
  const version = /^v(\d+)\.\S+$/.exec(told.trim());
  if (version === null) return [problem("node", `PKX_NODE names ${named}, which is no Node: ${told}`, mend)];
  if (Number(version[1]) >= NODE_MAJOR) return [ok("node", `PKX_NODE is Node ${told.trim().slice(1)}.`)];
  return [problem("node", `PKX_NODE names Node ${told.trim().slice(1)}, which is too old.`, mend)];
}

/** Clients would put an older daemon in the place of the one that they ask to leave. */
async function checkNamedDaemon({ terminal: { env } }: Context): Promise<Finding[]> {
  const named = env["PKX_DAEMON"];
  if (!named) return [];
  const mend = `Set PKX_DAEMON to the pkx.mjs of version ${VERSION}, or unset it.`;
  if (!existsSync(named))
    return [problem("daemon program", `PKX_DAEMON names ${named}, which is not there.`, mend)];
  const isScript = /\.[cm]?[jt]s$/.test(named);
  const told = (
    await versionOf(isScript ? process.execPath : named, isScript ? [named, "--version"] : ["--version"])
  ).trim();
  if (told === VERSION) return [ok("daemon program", `PKX_DAEMON is version ${told}.`)];
  const what = /^\d+\.\d+\.\d+\S*$/.test(told)
    ? `is version ${told}, this pkx ${VERSION}`
    : `does not run: ${told}`;
  return [problem("daemon program", `PKX_DAEMON names ${named}, which ${what}.`, mend)];
}

/** What a program prints, or why it does not, in a line. It is killed when it takes longer, whatever it makes of signals. */
export async function versionOf(
  program: string,
  args: readonly string[],
  timeout = VERSION_TIMEOUT_MS,
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout, killSignal: "SIGKILL" });
    return stdout;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return ((stderr ?? "").trim() || message).split("\n", 1)[0] ?? "";
  }
}

/** How many files a process may open, and how many it has. Nothing where the system does not show it. */
export function checkFiles(pid: number | "self", who: string): Finding[] {
  let most: number;
  let open: number;
  try {
    const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
    most = soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
    open = readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return [];
  }
  const mend = `Raise it: ulimit -n 65536 (LimitNOFILE= under systemd), then \`pkx stop\`.`;
  if (most < FEWEST_FILES)
    return [problem("open files", `${who} may open ${most} files, which is too few.`, mend)];
  if (open >= NEARLY_ALL * most)
    return [problem("open files", `${who} has opened ${open} of ${most} files.`, mend)];
  return [ok("open files", `${who} may open ${most} files, ${open} are open.`)];
}

/** The names alone: their values may hold a password. */
function checkProxies({ terminal: { env } }: Context): Finding[] {
  const set = PROXIES.flatMap((name) => [name, name.toLowerCase()]).filter((name) => env[name]);
  if (set.length === 0) return [];
  return [
    note(
      "proxy",
      `${set.join(", ")} ${set.length === 1 ? "is" : "are"} set; the daemon goes to trackers and registries directly.`,
      "Where only the proxy leads out, run the daemon where the trackers can be reached (docs/remote.md).",
    ),
  ];
}
