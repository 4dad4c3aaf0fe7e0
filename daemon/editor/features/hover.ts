import type { RunBrief, RunDocument } from "@pipekit/proto/editor";
import type { Hover, Position } from "vscode-languageserver/node";
import type { Reference } from "../references/reference.ts";
import { type Card, content } from "./card.ts";
import type { OpenFile } from "./feature.ts";
import { type Finding, find, patience } from "./finding.ts";
import { modelCard } from "./hover-model.ts";
import { runCard } from "./hover-run.ts";
import type { Knowledge } from "./knowledge.ts";
import { lookUp } from "./lookup.ts";
import { rangeOf, referenceAt } from "./place.ts";
import { type Answer, within } from "./within.ts";

/** Which model or run a string names, who moved the tag, and how far all that is to be trusted. */
export async function hover(
  knowledge: Knowledge,
  file: OpenFile,
  at: Position,
  signal: AbortSignal,
): Promise<Hover | null> {
  const reference = await referenceAt(file, at, signal);
  if (reference === undefined) return null;
  const card =
    reference.kind === "run"
      ? await ofRun(knowledge, reference, signal)
      : await ofModel(knowledge, reference, signal);
  if (card === undefined) return null;
  const contents = content(card, knowledge.context.markdown ?? true);
  return { contents, range: rangeOf(file, reference.span) };
}

async function ofModel(
  knowledge: Knowledge,
  { text, registry, certain }: Reference,
  signal: AbortSignal,
): Promise<Card | undefined> {
  const spec = knowledge.registryOf(registry);
  // Any string may look like a ref: only what is known to be one is asked about.
  if (!certain && lookUp(knowledge.models(spec), text).kind !== "model") return undefined;
  const finding = await find(knowledge, spec, text, signal);
  return modelCard(knowledge, text, finding, await maker(knowledge, finding, signal));
}

/** The run that made the model, with its last metric where the daemon tells it at once. */
async function maker(
  knowledge: Knowledge,
  { lookup }: Finding,
  signal: AbortSignal,
): Promise<RunBrief | undefined> {
  const runId = lookup.kind === "model" ? lookup.model?.runId : undefined;
  if (runId === undefined || runId === "") return undefined;
  const known = knowledge.runs().get(runId);
  if (known?.headline !== undefined) return known;
  const answer = await askRun(knowledge, runId, patience(true), signal);
  return answer.kind === "value" ? answer.value : known;
}

async function ofRun(
  knowledge: Knowledge,
  { text, certain }: Reference,
  signal: AbortSignal,
): Promise<Card | undefined> {
  const known = knowledge.runs().get(text);
  if (!certain && known === undefined) return undefined;
  const answer = await askRun(knowledge, text, patience(known !== undefined), signal);
  const now = knowledge.context.now();
  if (answer.kind === "value") return runCard(answer.value, now, []);
  if (known !== undefined)
    return runCard(known, now, ["The daemon has not answered: this is what was known."]);
  const isMissing = answer.kind === "failure" && answer.failure.code === "RUN_NOT_FOUND";
  const title = isMissing
    ? ["No run has the id ", { code: text }, "."]
    : ["The run ", { code: text }, " is not known yet."];
  return { title, facts: [], notes: [] };
}

async function askRun(
  knowledge: Knowledge,
  runId: string,
  milliseconds: number,
  signal: AbortSignal,
): Promise<Answer<RunDocument>> {
  if (knowledge.isAway) return { kind: "late" };
  return within(milliseconds, signal, (limit) => knowledge.context.view.ask("pipekit/run", { runId }, limit));
}
