import { spawn } from "node:child_process";
import { toolPath } from "./tools.ts";

/** How a program is run. */
export interface ProgramOptions {
  readonly cwd: string;
  readonly args?: readonly string[];
  /** All of its environment but PATH. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Runs a script with the Python that has the tools; `input` becomes JSON on its standard input. Gives what it prints; throws
 * with its complaints.
 */
export async function runPython(
  script: string,
  input: unknown,
  { cwd, args = [], env }: ProgramOptions,
): Promise<string> {
  const child = spawn(toolPath("python"), [script, ...args], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    timeout: 90_000,
  });
  let printed = "";
  let complaints = "";
  child.stdout.on("data", (chunk) => {
    printed += chunk;
  });
  child.stderr.on("data", (chunk) => {
    complaints += chunk;
  });
  child.stdin.end(JSON.stringify(input));
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`${script} ended with ${code}: ${complaints.slice(-3000)}`);
  return printed;
}
