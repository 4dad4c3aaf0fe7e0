/** A page of docs/examples as a program: its named blocks are files, its `sh` blocks are what is run. */

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "../demo/processes.ts";

/** What a page holds. */
export interface Page {
  /** Name to text, of blocks such as ```` ```python train.py ````. */
  readonly files: ReadonlyMap<string, string>;
  /** The `sh` blocks, in their order. */
  readonly scripts: readonly string[];
}

/** Reads a page of docs/examples. */
export function readPage(name: string): Page {
  const text = readFileSync(join(ROOT, "docs/examples", name), "utf8");
  const files = new Map<string, string>();
  const scripts: string[] = [];
  for (const [, language, file, body = ""] of text.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)) {
    if (file !== undefined) files.set(file, body);
    else if (language === "sh") scripts.push(body);
    else throw new Error(`${name} has a block of ${language} that is neither a file nor to be run.`);
  }
  if (scripts.length === 0) throw new Error(`${name} runs nothing.`);
  return { files, scripts };
}

/**
 * Writes the files into `folder` and runs the scripts there; returns what they printed. `addresses` are the page's
 * addresses of servers, and those that stand for them here. Throws with all output when a command fails.
 */
export async function runPage(
  page: Page,
  folder: string,
  env: NodeJS.ProcessEnv,
  addresses: Readonly<Record<string, string>> = {},
): Promise<string> {
  for (const [file, text] of page.files) {
    const path = join(folder, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(
      path,
      Object.entries(addresses).reduce((all, [from, to]) => all.replaceAll(from, to), text),
    );
  }
  const path = [join(ROOT, ".venv/bin"), join(ROOT, "node_modules/.bin"), env["PATH"]].join(":");
  const child = spawn("bash", ["-euo", "pipefail", "-c", page.scripts.join("\n")], {
    cwd: folder,
    env: { ...env, PATH: path, PYTHONDONTWRITEBYTECODE: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  let said = "";
  child.stdout.on("data", (chunk) => {
    printed += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    said += String(chunk);
  });
  const code = await new Promise<number | null>((done, fail) => {
    child.on("error", fail);
    child.on("close", done);
  });
  if (code !== 0) throw new Error(`The page ended with ${code}.\n${printed}\n${said}`);
  return printed;
}
