import type { Scalar } from "yaml";
import { plainScalar, taggedScalar, WrongScalar } from "./scalars.ts";
import type { Atom } from "./values.ts";

export const BINARY = "tag:yaml.org,2002:binary";

/** The value of a scalar of a document with this text. `inFlow`: within brackets or braces. Throws WrongScalar. */
export function atomOf(node: Scalar, document: string, inFlow: boolean): Atom {
  const text = textOf(node, document);
  const { tag, type } = node;
  if (inFlow && type === "PLAIN" && /\?|^:/.test(text)) {
    throw new WrongScalar("has a `?` or `:` within brackets, which YAML 1.1 forbids there", "syntax");
  }
  if (tag === BINARY) return text.replace(/\s/g, "");
  if (tag === "!" || (tag === undefined && type === "PLAIN")) return plainScalar(text);
  return tag === undefined ? text : taggedScalar(tag, text);
}

/** A block text at the very end of a document ends without a newline when the document does. */
function textOf({ value, type, range }: Scalar, document: string): string {
  const text = String(value ?? "");
  const isBlock = type === "BLOCK_LITERAL" || type === "BLOCK_FOLDED";
  const atEnd = range?.[1] === document.length && !/[\r\n]$/.test(document);
  return isBlock && atEnd ? text.replace(/\n$/, "") : text;
}
