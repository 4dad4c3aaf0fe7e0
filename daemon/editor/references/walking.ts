import type { Tree, TreeCursor } from "@lezer/common";

/** Looks at the nodes of a tree, each before those in it. */
export interface Visitor {
  /** Tells whether to go into the node. */
  enter(node: TreeCursor): boolean;
  leave(node: TreeCursor): void;
}

const NODES_A_TURN = 500;

/** Walks a tree without recursion, however deep it is. Yields now and then, so that others get their turn. */
export function* walk(tree: Tree, visitor: Visitor): Generator<void> {
  const cursor = tree.cursor();
  for (let visited = 1; ; visited += 1) {
    if (visited % NODES_A_TURN === 0) yield;
    if (visitor.enter(cursor) && cursor.firstChild()) continue;
    visitor.leave(cursor);
    while (!cursor.nextSibling()) {
      if (!cursor.parent()) return;
      visitor.leave(cursor);
    }
  }
}
