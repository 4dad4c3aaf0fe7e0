import type { TagMoveDocument } from "@pipekit/proto/editor";

/**
 * The model to which a tag led before the one that it leads to now, as the daemon's rollback finds it: deletions lead to
 * no model. Moves newest first; undefined when there is none among them.
 */
export function modelBefore(moves: readonly TagMoveDocument[]): string | undefined {
  const now = moves[0]?.hash;
  return moves.slice(1).find(({ hash }) => hash !== "" && hash !== now)?.hash;
}
