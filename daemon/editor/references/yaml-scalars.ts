import type { SyntaxNode } from "@lezer/common";
import type { TextValue } from "./facts.ts";
import { yamlString } from "./literals.ts";

/** Characters of a block that may be a name. */
const LONGEST_BLOCK = 200;

/** The text of a pair's key; empty for one that is no scalar. */
export function keyOf(file: string, pair: SyntaxNode): string {
  const key = pair.getChild("Key")?.firstChild;
  return (key && scalarOf(file, key)?.text) ?? "";
}

/** A scalar as text; undefined for what is none, or goes over lines. */
export function scalarOf(file: string, node: SyntaxNode): TextValue | undefined {
  const { from, to } = node;
  switch (node.name) {
    case "QuotedLiteral":
      return yamlString(file, from, to);
    case "Literal": {
      const text = file.slice(from, to);
      // One that goes over lines is no name.
      return /[\r\n]/.test(text) ? undefined : { kind: "text", text, span: { from, to }, closed: true };
    }
    case "BlockLiteral":
      return blockOf(file, node);
    case "Anchored":
    case "Tagged": {
      const inside = node.lastChild;
      return inside && /^Tagged$|Literal$/.test(inside.name) ? scalarOf(file, inside) : undefined;
    }
    default:
      return undefined;
  }
}

/** A block of one line. */
function blockOf(file: string, node: SyntaxNode): TextValue | undefined {
  const content = node.getChild("BlockLiteralContent");
  if (content === null || content.to - content.from > LONGEST_BLOCK) return undefined;
  const written = file.slice(content.from, content.to);
  const text = written.trim();
  const from = content.from + written.length - written.trimStart().length;
  if (text === "" || /[\r\n]/.test(text)) return undefined;
  return { kind: "text", text, span: { from, to: from + text.length }, closed: true };
}

/** The value of a pair; undefined when it has none. */
export function valueIn(pair: SyntaxNode): SyntaxNode | undefined {
  const last = pair.lastChild;
  return last === null || /^(?:Key|:|⚠|Comment)$/.test(last.name) ? undefined : last;
}
