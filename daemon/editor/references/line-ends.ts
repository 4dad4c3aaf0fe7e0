import type { SyntaxNode, Tree } from "@lezer/common";
import { BACKSLASH, lineStart } from "./cut.ts";
import type { LineEnd } from "./reference.ts";

const COMMENTS: ReadonlySet<string> = new Set(["Comment", "LineComment"]);
/** What holds text to its last character, or to the end of its last line. */
const TEXTS = /String$|^QuotedLiteral$|^Literal$|^BlockComment$|^RegExp$/;
const JSX = /^JSX(?:Text|Element|Fragment|OpenTag|CloseTag|SelfClosingTag|Attribute|AttributeValue)$/;
/** Code within a text. */
const CODE: ReadonlySet<string> = new Set(["Interpolation", "JSXEscape"]);

/** What a comment at `at`, the end of a line of a statement, would be. */
export function kindOfLineEnd(tree: Tree, text: string, at: number): LineEnd["kind"] {
  if (text.charCodeAt(at - 1) === BACKSLASH) return "text";
  for (let node: SyntaxNode | null = tree.resolveInner(at, -1); node !== null; node = node.parent) {
    const { name, from, to } = node;
    if (COMMENTS.has(name)) return "comment";
    if (name === "BlockLiteral") return "text";
    const goesOn = from < at && at < to;
    if (goesOn && CODE.has(name)) return "code";
    if (goesOn && (TEXTS.test(name) || JSX.test(name))) return "text";
    if (to === at && isUnclosed(node, text)) return "text";
  }
  return "code";
}

/** Of a line before the first statement, or between two. */
export function kindOutside(text: string, at: number): LineEnd["kind"] {
  return /^\s*(?:#|\/\/)/.test(text.slice(lineStart(text, at), at)) ? "comment" : "code";
}

function isUnclosed({ name, from, to }: SyntaxNode, text: string): boolean {
  if (!/String$|^QuotedLiteral$/.test(name) || name === "ContinuedString") return false;
  return to - from < 2 || !/["'`]/.test(text.charAt(to - 1));
}
