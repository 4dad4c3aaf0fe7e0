import type { Alias, Node, ParsedNode } from "yaml";
import type { Span } from "./nodes.ts";

/** Who is told what is wrong with an alias or anchor. */
export interface Told {
  wrong(code: string, path: string, what: string, mend: string, span: Span): void;
  span(node: Node): Span;
}

/** The anchors of a document and what their aliases lead to. */
export class Anchors {
  readonly #told: Told;
  readonly #anchors = new Map<string, Node>();
  readonly #open = new Set<Node>();

  constructor(told: Told) {
    this.#told = told;
  }

  /** Notes the anchor of a node, if it has one. */
  add(node: Node, path: string): void {
    const { anchor } = node as ParsedNode;
    if (anchor === undefined) return;
    if (this.#anchors.has(anchor)) {
      const what = `has the anchor \`&${anchor}\` of another node`;
      this.#told.wrong("alias", path, what, "Name it otherwise.", this.#told.span(node));
    }
    this.#anchors.set(anchor, node);
  }

  /** Between these two a node's own parts are read. */
  enter(node: Node): void {
    this.#open.add(node);
  }

  leave(node: Node): void {
    this.#open.delete(node);
  }

  /** Undefined, and told, for an alias that leads nowhere or to what it is a part of. */
  target({ source }: Alias, path: string, at: Span): Node | undefined {
    const target = this.#anchors.get(source);
    if (target === undefined) {
      const what = `uses the alias \`*${source}\`, which has no anchor`;
      this.#told.wrong("alias", path, what, "Add the anchor before it.", at);
      return undefined;
    }
    if (!this.#open.has(target)) return target;
    const what = `uses the alias \`*${source}\` inside of what it stands for`;
    this.#told.wrong("cycle", path, what, "Break the circle.", at);
    return undefined;
  }
}
