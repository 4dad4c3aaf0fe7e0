/** Which program is the language server: the user's pkx, or the one in this extension on a Node.js that is new enough. */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { promisify } from "node:util";
import { connectionEnvironment, SettingFault, type Settings } from "../settings.ts";

const NEEDED_NODE = 24;
/** A Node.js that does not answer by then is none. Milliseconds. */
const ANSWER_MS = 10_000;

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** Over the environment of the editor. */
  readonly env: Readonly<Record<string, string>>;
}

/** What is looked at beside the settings. */
export interface Surroundings {
  /** The pkx.mjs that this extension brings along. */
  readonly bundled: string;
  /** The program that this runs in: Node.js, or an Electron that can be it. */
  readonly execPath: string;
}

/** Throws SettingFault, which names the setting to mend. */
export async function findProgram(settings: Settings, surroundings: Surroundings): Promise<Program> {
  const args = ["lsp", "--stdio", ...(settings.startDaemon ? [] : ["--no-start"])];
  const env = connectionEnvironment(settings);
  const script = settings.command || surroundings.bundled;
  const isScript = /\.[cm]?[jt]s$/.test(script);
  if (!isReachable(script, isScript ? constants.R_OK : constants.X_OK)) {
    throw new SettingFault(
      `${script} is not a program that can be run. Set pipekit.command to the path of pkx, or leave it empty.`,
      "pipekit.command",
    );
  }
  if (!isScript) return { command: script, args, env };
  const command = await findNode(settings.node, surroundings.execPath);
  // Where Electron is the Node.js; any other does not look at it.
  return { command, args: [script, ...args], env: { ...env, ELECTRON_RUN_AS_NODE: "1" } };
}

async function findNode(wanted: string, execPath: string): Promise<string> {
  if (wanted !== "") {
    const fault = await nodeFault(wanted);
    if (fault === undefined) return wanted;
    throw new SettingFault(`${fault} Set pipekit.node to Node.js 24 or newer.`, "pipekit.node");
  }
  const tried: string[] = [];
  for (const candidate of [execPath, "node"]) {
    const fault = await nodeFault(candidate);
    if (fault === undefined) return candidate;
    tried.push(fault);
  }
  throw new SettingFault(
    `Node.js 24 or newer is needed. ${tried.join(" ")} Install it, or set pipekit.node to its path.`,
    "pipekit.node",
  );
}

/** Why a program is no Node.js that can run pkx; undefined where it is one. The journal needs its SQLite. */
async function nodeFault(path: string): Promise<string | undefined> {
  const question = "require('node:sqlite'); console.log(process.versions.node)";
  try {
    const asked = await promisify(execFile)(path, ["--no-warnings", "-e", question], {
      env: { ...process.env, ELECTRON_RUN_AS_NODE: "1" },
      timeout: ANSWER_MS,
    });
    const version = asked.stdout.trim();
    return Number.parseInt(version, 10) >= NEEDED_NODE ? undefined : `${path} is version ${version}.`;
  } catch {
    return `${path} is missing or too old.`;
  }
}

function isReachable(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
