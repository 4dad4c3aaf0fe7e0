/** One life of the language server: its process, and VS Code's client of it. */
import { type ChildProcess, spawn } from "node:child_process";
import type { LogOutputChannel } from "vscode";
import { CloseAction, ErrorAction, LanguageClient, type Middleware } from "vscode-languageclient/node";
import type { Program } from "./program.ts";

const LANGUAGES = ["python", "typescript", "typescriptreact", "javascript", "javascriptreact", "yaml"];

export interface Life {
  readonly client: LanguageClient;
  /** Its process; undefined before it was spawned. */
  process(): ChildProcess | undefined;
}

/** A client that is not started yet. `ended` is called once, when the process is gone unasked. */
export function newLife(
  program: Program,
  output: LogOutputChannel,
  middleware: Middleware,
  ended: () => void,
): Life {
  let child: ChildProcess | undefined;
  const client = new LanguageClient(
    "pipekit",
    "Pipekit",
    async () => {
      child = spawn(program.command, program.args, {
        env: { ...process.env, ...program.env },
        stdio: ["pipe", "pipe", "pipe"],
      });
      await new Promise((resolve, reject) => child?.once("spawn", resolve).once("error", reject));
      return child;
    },
    {
      documentSelector: LANGUAGES.flatMap((language) => [
        { scheme: "file", language },
        { scheme: "untitled", language },
      ]),
      initializationOptions: { pipekit: { notifications: true, askText: true } },
      outputChannel: output,
      traceOutputChannel: output,
      middleware,
      initializationFailedHandler: () => false,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          ended();
          return {
            action: CloseAction.DoNotRestart,
            handled: true,
            message: "The language server has ended.",
          };
        },
      },
    },
  );
  return { client, process: () => child };
}
