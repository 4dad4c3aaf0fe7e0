/** A Python process that answers questions about files, one JSON line each way: starting Python is slow, asking is not. */

import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { toolPath } from "./tools.ts";

const ROOT = resolve(import.meta.dirname, "../..");

export interface PythonReader {
  /** What the script answers to a question. Rejects with its traceback. */
  ask(question: unknown): Promise<unknown>;
  close(): Promise<void>;
}

/**
 * Starts a script of this repository, which answers each line of its input with one line, as `answer_questions` does.
 * Packages in the folders `packages` come before those of the environment.
 */
export function startPythonReader(script: string, packages: readonly string[] = []): PythonReader {
  const path = [import.meta.dirname, ...packages].join(":");
  const env = { ...process.env, PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: "1" };
  const child = spawn(toolPath("python"), [join(ROOT, script)], {
    stdio: ["pipe", "pipe", "pipe"],
    env,
  });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said = `${said}${chunk}`.slice(-4000);
  });
  const waiting: PromiseWithResolvers<unknown>[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    const answer = JSON.parse(line) as { ok?: unknown; error?: string };
    if (answer.error === undefined) waiting.shift()?.resolve(answer.ok);
    else waiting.shift()?.reject(new Error(answer.error));
  });
  const ended = new Promise<void>((done) => {
    child.on("close", (code) => {
      for (const one of waiting.splice(0)) one.reject(new Error(`The reader ended with ${code}: ${said}`));
      done();
    });
  });
  return {
    ask: (question) => {
      const answer = Promise.withResolvers<unknown>();
      waiting.push(answer);
      child.stdin.write(`${JSON.stringify(question)}\n`);
      return answer.promise;
    },
    close: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
