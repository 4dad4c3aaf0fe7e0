/** Commands that change something: each asks first. Tags are moved by the language server, which asks in its own words. */
import type { EditorResults } from "@pipekit/proto/editor";
import * as vscode from "vscode";
import type { Server } from "../server/server.ts";
import type { ModelList } from "../trees/model-list.ts";
import { count, oneLine, shortHash } from "../words.ts";
import { hashIn, runIdIn, tagIn } from "./arguments.ts";
import type { Commands } from "./register.ts";

export function changingCommands(server: Server, models: ModelList): Commands {
  return {
    "pipekit.ui.promote": async (value) => {
      const ref = hashIn(value);
      if (ref === undefined) return;
      const tag = await pickTag(models, ref);
      if (tag !== undefined) await server.execute("pipekit.promote", { registry: models.registry, ref, tag });
    },
    "pipekit.ui.rollback": async (value) => {
      const tag = tagIn(value);
      if (tag !== undefined) await server.execute("pipekit.rollback", { registry: models.registry, tag });
    },
    "pipekit.ui.redrive": async (value) => {
      const runId = runIdIn(value);
      if (runId !== undefined) await redrive(server, runId);
    },
  };
}

/** Asks which tag is to point to a model; undefined where the person will not say. */
async function pickTag(models: ModelList, hash: string): Promise<string | undefined> {
  const other = { label: "$(add) Another tag…", description: "", name: undefined };
  const tags = models.allTags
    .filter((move) => move.hash !== hash)
    .map(({ name, hash }) => ({ label: `$(tag) ${oneLine(name)}`, description: shortHash(hash), name }));
  const chosen = await vscode.window.showQuickPick([...tags, other], {
    title: `Promote ${shortHash(hash)} to`,
    placeHolder: "The tag that is to point to this model",
  });
  if (chosen === undefined || chosen.name !== undefined) return chosen?.name;
  return vscode.window.showInputBox({
    title: `Promote ${shortHash(hash)} to another tag`,
    prompt: "Name of the tag",
    ignoreFocusOut: true,
    validateInput: (text) => (text.trim() === "" ? "A tag needs a name." : undefined),
  });
}

async function redrive(server: Server, runId: string): Promise<void> {
  const { deadLetters } = await server.request("pipekit/deadLetters", { runId, limit: 5 });
  const [first] = deadLetters;
  if (first === undefined) {
    void vscode.window.showInformationMessage("Pipekit: the run has no dead letters.");
    return;
  }
  const send = "Send Again";
  const asked = await vscode.window.showWarningMessage(
    "Send the dead letters of this run once more?",
    { modal: true, detail: `${first.spec} refused: ${oneLine(first.reason)}` },
    send,
  );
  if (asked !== send) return;
  const done = await server.request("pipekit/redrive", { runId });
  void vscode.window.showInformationMessage(`Pipekit: ${outcome(done)}`);
}

function outcome({ taken, refused, waiting }: EditorResults["pipekit/redrive"]): string {
  return [
    `${count(taken, "dead letter")} taken`,
    refused === 0 ? "" : `${refused} refused again`,
    waiting === 0 ? "" : `${waiting} waiting`,
  ]
    .filter((text) => text !== "")
    .join(", ");
}
