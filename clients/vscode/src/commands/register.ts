/** Registers commands so that a failure is told to the person in words. */
import * as vscode from "vscode";
import { failureOf, sentences } from "../failure.ts";

export type Commands = Readonly<Record<string, (...args: unknown[]) => unknown>>;

export function register(commands: Commands, output: vscode.LogOutputChannel): vscode.Disposable {
  const registered = Object.entries(commands).map(([name, act]) =>
    vscode.commands.registerCommand(name, async (...args: unknown[]) => {
      try {
        await act(...args);
      } catch (thrown) {
        const text = sentences(failureOf(thrown));
        output.error(`${name}: ${text}`);
        void vscode.window.showErrorMessage(`Pipekit: ${text}`);
      }
    }),
  );
  return vscode.Disposable.from(...registered);
}
