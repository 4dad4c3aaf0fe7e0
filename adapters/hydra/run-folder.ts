/** Reads the `.hydra` folder that a run of a Hydra app left: config.yaml, hydra.yaml and overrides.yaml. */
import { readFile, stat } from "node:fs/promises";
import { basename, isAbsolute, join } from "node:path";
import { ConfigFault, type ConfigRun, type ConfigRunFolder } from "../config.ts";
import { isMissing } from "../file-faults.ts";
import { MAX_TEXT_BYTES } from "./limits.ts";
import type { RunTexts } from "./run-texts.ts";

const FILES = ["config.yaml", "hydra.yaml", "overrides.yaml"] as const;

/** Resolves what the texts of a folder say, here or in another thread. */
export type ResolveTexts = (texts: RunTexts) => Promise<ConfigRun>;

/** Reads a folder and resolves what it says. Throws ConfigFault, or what the signal was aborted with. */
export async function readHydraRun(
  { folder, env }: ConfigRunFolder,
  signal: AbortSignal,
  resolve: ResolveTexts,
): Promise<ConfigRun> {
  if (!isAbsolute(folder)) {
    throw new ConfigFault("argument", "The folder has no absolute path.", "folder", "Give an absolute path.");
  }
  const place = await folderOf(folder);
  const [config, hydra, overrides] = await Promise.all(FILES.map((name) => textOf(join(place, name))));
  signal.throwIfAborted();
  if (config === undefined) {
    throw new ConfigFault(
      "unreadable",
      `${folder} holds no .hydra/config.yaml.`,
      "folder",
      "Give the output folder of a run of a Hydra app; `hydra.output_subdir=null` keeps it from writing one.",
    );
  }
  return resolve({ folder: place, config, hydra: hydra ?? "", overrides: overrides ?? "", env });
}

/** The folder of the configs: the one given, or `.hydra` in it. */
async function folderOf(folder: string): Promise<string> {
  if (basename(folder) === ".hydra") return folder;
  const inner = join(folder, ".hydra");
  const found = await stat(inner).catch(() => undefined);
  return found?.isDirectory() === true ? inner : folder;
}

/** A file's text; undefined when there is none. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    // A pipe would let reading wait for ever.
    const found = await stat(path);
    if (!found.isFile()) throw unreadable(path, "is no file");
    if (found.size > MAX_TEXT_BYTES) {
      throw new ConfigFault("config", `${path} is larger than 4 MiB.`, path, "Make the config smaller.");
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    if (cause instanceof ConfigFault) throw cause;
    if (cause instanceof TypeError) {
      throw new ConfigFault("config", `${path} is no UTF-8 text.`, path, "Save it as UTF-8.", cause);
    }
    if (isMissing(cause)) return undefined;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    throw unreadable(path, `cannot be read (${code})`, cause);
  }
}

function unreadable(path: string, what: string, cause?: unknown): ConfigFault {
  return new ConfigFault(
    "unreadable",
    `${path} ${what}.`,
    "folder",
    "Give a folder that you may read.",
    cause,
  );
}
