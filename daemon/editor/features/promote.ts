/** Promoting a model from the editor: the person sees where the tag leads now, and it moves only if that is still so. */
import { checkTagName } from "@pipekit/proto";
import type { TagMoveDocument } from "@pipekit/proto/editor";
import { type Change, confirmed, failed, lastMove, moved } from "./changing.ts";
import type { Promotion } from "./commands.ts";
import type { Knowledge } from "./knowledge.ts";
import { named, short } from "./words.ts";

const MOST_TAGS = 5;
const ANOTHER = "Another tag…";

/** Resolves to the move; undefined when the person would not, or it failed, which was told. Throws the signal's reason. */
export async function promote(
  knowledge: Knowledge,
  { registry, ref, tag, reason }: Promotion,
  signal: AbortSignal,
): Promise<TagMoveDocument | undefined> {
  const { context } = knowledge;
  let name = tag;
  try {
    const { hash } = await context.view.ask("pipekit/resolve", { registry, ref }, signal);
    name ??= await chosen(knowledge, registry, hash, signal);
    if (name === undefined) return undefined;
    checkTagName(name);
    const current = await lastMove(knowledge, registry, name, signal);
    if (current?.hash === hash) {
      context.tell(
        "info",
        `${name} leads to ${named(hash, knowledge.models(registry).model(hash))} already.`,
      );
      return undefined;
    }
    const change: Change = { registry, name, current, hash };
    if (!(await confirmed(knowledge, change, "Promote"))) return undefined;
    const params = { registry, ref: hash, tag: name, expectedHash: current?.hash ?? "", reason };
    const { move } = await context.view.ask("pipekit/promote", params, signal);
    moved(knowledge, change, move);
    return move;
  } catch (error) {
    return failed(knowledge, registry, error, signal, name);
  }
}

/** Asks which tag is meant: one of those that moved last, or another one where the editor can ask for a name. */
async function chosen(
  { context }: Knowledge,
  registry: string,
  hash: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { tags } = await context.view.ask("pipekit/tags", { registry }, signal);
  const names = tags
    .filter((move) => move.hash !== hash && move.hash !== "")
    .sort((one, other) => other.atUs - one.atUs)
    .slice(0, MOST_TAGS)
    .map((move) => move.name);
  const choices = context.askText === undefined ? names : [...names, ANOTHER];
  if (choices.length === 0) {
    context.tell("warning", "There is no other tag. `pkx tag` makes a new one.");
    return undefined;
  }
  const choice = await context.ask(`Promote ${short(hash)} to which tag?`, choices);
  if (choice !== ANOTHER) return choice;
  return (await context.askText?.("Name of the tag"))?.trim() || undefined;
}
