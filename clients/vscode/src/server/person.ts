/** Questions of the language server that are no part of its protocol. */
import * as vscode from "vscode";
import { z } from "zod";

const QUESTION = z.object({ prompt: z.string() });

/** The language server asks for a line of text; null where the person will not give one. */
export async function askText(params: unknown): Promise<{ text: string } | null> {
  const { prompt } = QUESTION.parse(params);
  const text = await vscode.window.showInputBox({ title: "Pipekit", prompt, ignoreFocusOut: true });
  return text === undefined ? null : { text };
}
