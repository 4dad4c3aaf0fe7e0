/** What promoting and rolling back have in common: the question before, and the word after. */
import { PipekitError } from "@pipekit/proto";
import type { TagMoveDocument } from "@pipekit/proto/editor";
import type { Knowledge } from "./knowledge.ts";
import { ago, clipped, named } from "./words.ts";

/** A tag, where it leads now, and where it shall lead. */
export interface Change {
  readonly registry: string;
  readonly name: string;
  /** Its last move; undefined when it leads nowhere. */
  readonly current: TagMoveDocument | undefined;
  readonly hash: string;
}

/** A spec of a question, characters: what is longer hides what follows. */
const LONGEST = 200;

/** Asks the person, who sees where the tag leads, by whom, and where it will lead. */
export async function confirmed(knowledge: Knowledge, change: Change, yes: string): Promise<boolean> {
  const { registry, name, current, hash } = change;
  const { context } = knowledge;
  const index = knowledge.models(registry);
  const to = named(hash, index.model(hash));
  const place = registry === "" ? "" : ` in ${clipped(registry, LONGEST)}`;
  const question =
    current === undefined
      ? `Point the new tag ${name}${place} to ${to}?`
      : `Move ${name}${place} from ${named(current.hash, index.model(current.hash))} (${since(current, context.now())}) to ${to}?`;
  return (await context.ask(question, [yes, "Cancel"])) === yes;
}

/** Says that it was done. */
export function moved(knowledge: Knowledge, { registry, name }: Change, move: TagMoveDocument): void {
  const to = named(move.hash, knowledge.models(registry).model(move.hash));
  knowledge.context.tell("info", `${name} leads to ${to} since move ${move.seq}.`);
}

/**
 * Says why it was not done, of a tag that another moved meanwhile also what it leads to now. Throws the signal's reason, and
 * what is no failure of ours.
 */
export async function failed(
  knowledge: Knowledge,
  registry: string,
  error: unknown,
  signal: AbortSignal,
  name: string | undefined,
): Promise<undefined> {
  signal.throwIfAborted();
  if (!(error instanceof PipekitError)) throw error;
  const { context } = knowledge;
  const isLost = error.code === "TAG_CONFLICT" || error.code === "TAG_EXISTS";
  if (!isLost || name === undefined) {
    context.tell("error", `${error.message} ${error.mend}`.trim());
    return undefined;
  }
  const leads = await leadsNow(knowledge, registry, name, signal);
  context.tell("warning", `${name} was moved meanwhile, so nothing was changed.${leads}`);
  return undefined;
}

/** The last move of a tag, as the daemon has it now; undefined for a tag that leads nowhere. Throws what the call throws. */
export async function lastMove(
  { context }: Knowledge,
  registry: string,
  name: string,
  signal: AbortSignal,
): Promise<TagMoveDocument | undefined> {
  try {
    return (await context.view.ask("pipekit/resolve", { registry, ref: name }, signal)).move;
  } catch (error) {
    if (error instanceof PipekitError && error.code === "REF_NOT_FOUND") return undefined;
    throw error;
  }
}

async function leadsNow(
  knowledge: Knowledge,
  registry: string,
  name: string,
  signal: AbortSignal,
): Promise<string> {
  try {
    const move = await lastMove(knowledge, registry, name, signal);
    if (move === undefined) return " It leads nowhere now.";
    const to = named(move.hash, knowledge.models(registry).model(move.hash));
    return ` It leads to ${to} now (${since(move, knowledge.context.now())}).`;
  } catch {
    signal.throwIfAborted();
    return "";
  }
}

function since({ name, seq, actor, atUs }: TagMoveDocument, now: number): string {
  return `${name}@${seq}${actor === "" ? "" : ` by ${clipped(actor, 80)}`}, ${ago(atUs, now)}`;
}
