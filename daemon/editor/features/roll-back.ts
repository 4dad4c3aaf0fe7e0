/** Rolling a tag back from the editor: by a new move, to the model that it led to before. */
import { PipekitError } from "@pipekit/proto";
import type { TagMoveDocument } from "@pipekit/proto/editor";
import { type Change, confirmed, failed, moved } from "./changing.ts";
import type { Rollback } from "./commands.ts";
import type { Knowledge } from "./knowledge.ts";

/** Moves of a tag that are looked through for where it led before. */
const MOST_MOVES = 100;

/** Resolves to the move; undefined when the person would not, or it failed, which was told. Throws the signal's reason. */
export async function rollBack(
  knowledge: Knowledge,
  { registry, tag, reason }: Rollback,
  signal: AbortSignal,
): Promise<TagMoveDocument | undefined> {
  const { view } = knowledge.context;
  try {
    const params = { registry, name: tag, limit: MOST_MOVES };
    const { moves } = await view.ask("pipekit/tagHistory", params, signal);
    const [last] = moves;
    const before = last && moves.find((move) => move.hash !== "" && move.hash !== last.hash);
    if (last === undefined || before === undefined) throw nowhere(tag);
    const current = last.hash === "" ? undefined : last;
    const change: Change = { registry, name: tag, current, hash: before.hash };
    if (!(await confirmed(knowledge, change, "Roll back"))) return undefined;
    const deed = { registry, tag, expectedHash: last.hash, reason };
    const { move } = await view.ask("pipekit/rollback", deed, signal);
    moved(knowledge, change, move);
    return move;
  } catch (error) {
    return failed(knowledge, registry, error, signal, tag);
  }
}

function nowhere(tag: string): PipekitError {
  return new PipekitError("REF_NOT_FOUND", `The tag ${tag} led to no other model before.`, {
    field: "tag",
    mend: `\`pkx history ${tag}\` tells where it led.`,
  });
}
