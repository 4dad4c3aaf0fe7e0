import { spawn } from "node:child_process";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../../..");
const PYTHON = join(ROOT, ".venv/bin/python");

/** Environment of a process that finds the daemon below `home`, and nothing of the machine's real user. */
export function pipekitEnv(home: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PKX_STATE_DIR: join(home, "state"),
    PKX_RUNTIME_DIR: join(home, "run"),
    PKX_ENDPOINT: undefined,
    XDG_CONFIG_HOME: join(home, "config"),
  };
}

/** Runs a process to its end and returns what it printed; its standard error is shown. Throws when it fails. */
export async function output(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd = ROOT,
): Promise<string> {
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += String(chunk);
  });
  const code = await new Promise<number | null>((done, fail) => {
    child.on("error", fail);
    child.on("close", done);
  });
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}.\n${text}`);
  return text;
}

/** Runs a Python script and returns what it printed. */
export function python(script: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  return output(PYTHON, [script, ...args], env);
}

/** Runs a TypeScript script, or `pkx` from source, on the Node that runs this. */
export function node(script: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  return output(process.execPath, ["--disable-warning=ExperimentalWarning", script, ...args], env);
}

/** The JSON document on the last line of a program's output. */
export function lastJson(text: string): unknown {
  const line = text.trim().split("\n").at(-1) ?? "";
  return JSON.parse(line);
}
