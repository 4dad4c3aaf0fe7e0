/**
 * Programs of the system that some tests drive: which there are, and what is left out without them. Run as a script it
 * tells those that are missing, a line each; with `--install` it installs them first, where root may by apt-get.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { pythonMissing, SUPPORTED_PYTHONS } from "./pythons.ts";

/** A program that a test may need. */
export interface Program {
  /** As Debian packages it. */
  readonly package: string;
  /** Names on PATH, the first that is there is taken. */
  readonly names: readonly string[];
  /** Environment variable that names its path. */
  readonly variable: string;
  /** What is not tested without it. */
  readonly tests: string;
}

export const CHROMIUM: Program = {
  package: "chromium",
  names: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
  variable: "PKX_CHROMIUM",
  tests: "the page of pkx ui and VS Code's extension",
};

export const NEOVIM: Program = {
  package: "neovim",
  names: ["nvim"],
  variable: "PKX_NVIM",
  tests: "the snippet for Neovim",
};

export const PROMETHEUS: Program = {
  package: "prometheus",
  names: ["prometheus"],
  variable: "PKX_PROMETHEUS",
  tests: "a real scrape, and the alerts and the dashboard's queries by Prometheus itself",
};

/** Comes with Prometheus's package. */
export const PROMTOOL: Program = {
  ...PROMETHEUS,
  names: ["promtool"],
  variable: "PKX_PROMTOOL",
};

const PROGRAMS = [CHROMIUM, NEOVIM, PROMETHEUS];

/** Path of a program; undefined where it is not. */
export function findProgram({ names, variable }: Program): string | undefined {
  const named = process.env[variable];
  return named ? [named].find(isExecutable) : onPath(names);
}

function onPath(names: readonly string[]): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isExecutable);
}

/** Why tests with a program are skipped; undefined where they are not: `describe.skipIf(missing(NEOVIM))`. */
export function missing(program: Program): string | undefined {
  if (findProgram(program) !== undefined) return undefined;
  return (
    `${program.names[0]} is missing; not tested without it: ${program.tests}. ` +
    `Install it (Debian: apt-get install ${program.package}), or name its path in ${program.variable}.`
  );
}

/** Where setup.mjs installs VS Code as a server (code-server). */
export const CODE_SERVER = resolve(import.meta.dirname, "../../.tools/code-server");

/** Why tests in VS Code are skipped; undefined where they are not. */
export function codeServerMissing(): string | undefined {
  if (existsSync(join(CODE_SERVER, ".pkx-setup"))) return missing(CHROMIUM);
  return "code-server is missing: VS Code's extension is not tested. `npm run setup` installs it.";
}

function programsMissing(): string[] {
  return PROGRAMS.map(missing).filter((reason) => reason !== undefined);
}

/** Everything that is left out on this machine. */
export function leftOut(): string[] {
  const others = [codeServerMissing(), ...SUPPORTED_PYTHONS.map(pythonMissing)];
  return [...new Set([...programsMissing(), ...others.filter((reason) => reason !== undefined)])];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Installs what is missing by apt-get where that is possible. Throws when apt-get fails. */
function install(): void {
  const packages = PROGRAMS.filter((program) => missing(program) !== undefined).map((it) => it.package);
  if (packages.length === 0 || process.getuid?.() !== 0 || onPath(["apt-get"]) === undefined) return;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const run = (...args: string[]) => spawnSync("apt-get", args, { env, stdio: "inherit" }).status === 0;
  const installed = () => run("install", "--yes", "--no-install-recommends", ...packages);
  // The lists of a fresh image are empty or old.
  if (!installed() && !(run("update") && installed())) throw new Error("apt-get failed.");
}

if (import.meta.main) {
  if (process.argv.includes("--install")) install();
  for (const reason of programsMissing()) console.log(reason);
}
