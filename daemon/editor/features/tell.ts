/** Runs and models for clients without pages: what a hover would tell, as a message. */

import { PipekitError } from "@pipekit/proto";
import { type Card, content } from "./card.ts";
import { find } from "./finding.ts";
import { modelCard } from "./hover-model.ts";
import { runCard } from "./hover-run.ts";
import type { Knowledge } from "./knowledge.ts";

/** Throws the signal's reason. */
export async function tellRun(knowledge: Knowledge, runId: string, signal: AbortSignal): Promise<void> {
  const { context } = knowledge;
  try {
    const run = await context.view.ask("pipekit/run", { runId }, signal);
    say(knowledge, runCard(run, context.now(), []));
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof PipekitError)) throw error;
    context.tell("error", `${error.message} ${error.mend}`.trim());
  }
}

/** Throws the signal's reason. */
export async function tellModel(
  knowledge: Knowledge,
  registry: string,
  ref: string,
  signal: AbortSignal,
): Promise<void> {
  const finding = await find(knowledge, registry, ref, signal);
  const runId = finding.lookup.kind === "model" ? (finding.lookup.model?.runId ?? "") : "";
  say(knowledge, modelCard(knowledge, ref, finding, knowledge.runs().get(runId)));
}

function say({ context }: Knowledge, card: Card): void {
  context.tell("info", content(card, false).value);
}
