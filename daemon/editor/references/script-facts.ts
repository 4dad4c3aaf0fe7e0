import type { SyntaxNode, TreeCursor } from "@lezer/common";
import { type CallValue, type Entry, OTHER, type Value } from "./facts.ts";
import { scriptString } from "./literals.ts";
import { ScriptNames } from "./script-names.ts";

const SCOPES: ReadonlySet<string> = new Set([
  "Block",
  "ArrowFunction",
  "FunctionDeclaration",
  "FunctionExpression",
  "MethodDeclaration",
  "ForStatement",
  "CatchClause",
  "ClassBody",
]);
/** What tells of types, and nothing of values. */
const TYPES: ReadonlySet<string> = new Set([
  "TypeAnnotation",
  "TypeArgList",
  "TypeParamList",
  "TypeAliasDeclaration",
  "InterfaceDeclaration",
  "LiteralType",
]);

/** Reads TypeScript and JavaScript. */
export class ScriptReader extends ScriptNames {
  enter(node: TreeCursor): boolean {
    const { name } = node;
    if (SCOPES.has(name)) this.openScope(name === "ClassBody");
    if (TYPES.has(name)) return false;
    switch (name) {
      case "ImportDeclaration":
      case "ExportDeclaration":
        return this.readImport(node.node);
      case "VariableDeclaration":
        this.readDeclaration(node.node);
        return true;
      case "AssignmentExpression":
      case "PropertyDeclaration":
        this.readAssignment(node.node);
        return true;
      case "ParamList":
        this.readParameters(node.node);
        return true;
      case "CallExpression":
        this.readCall(node.node);
        return true;
      case "String":
        if (!isPart(node.node)) this.looseString(scriptString(this.text, node.from, node.to));
        return false;
      case "TemplateString":
        if (node.node.getChild("Interpolation") !== null) return true;
        this.looseString(scriptString(this.text, node.from, node.to));
        return false;
      case "LineComment":
        this.comment(node);
        return false;
      default:
        return true;
    }
  }

  leave(node: TreeCursor): void {
    if (SCOPES.has(node.name)) this.closeScope();
  }

  protected ownValue(node: SyntaxNode, depth: number): Value {
    switch (node.name) {
      case "String":
        return scriptString(this.text, node.from, node.to);
      case "TemplateString":
        return node.getChild("Interpolation") ? OTHER : scriptString(this.text, node.from, node.to);
      case "BooleanLiteral":
        return { kind: "literal", text: this.slice(node) };
      case "null":
        return { kind: "none" };
      case "ObjectExpression":
        return { kind: "map", entries: this.#entries(node, depth) };
      case "PostfixExpression":
        return this.valueOf(node.firstChild, depth + 1);
      case "BinaryExpression": {
        const sign = node.firstChild?.nextSibling?.name ?? "";
        return /^(?:as|satisfies)$/.test(sign) ? this.valueOf(node.firstChild, depth + 1) : OTHER;
      }
      default:
        return OTHER;
    }
  }

  protected args(list: SyntaxNode, depth: number): Pick<CallValue, "positional" | "named"> {
    const positional: Value[] = [];
    let spread = false;
    for (const child of this.children(list)) {
      if (/^[(),⚠]$|Comment$/.test(child.name)) continue;
      if (child.name === "Spread") spread = true;
      else {
        positional.push(spread ? OTHER : this.valueOf(child, depth));
        spread = false;
      }
    }
    // Options are an object.
    const options = positional.findLast((value) => value.kind === "map");
    return { positional, named: options?.entries ?? [] };
  }

  #entries(node: SyntaxNode, depth: number): Entry[] {
    const entries: Entry[] = [];
    for (const property of node.getChildren("Property")) {
      const key = property.firstChild;
      if (key === null) continue;
      const name = key.name === "String" ? scriptString(this.text, key.from, key.to).text : this.slice(key);
      const colon = property.getChild(":");
      if (colon) entries.push([name, this.valueOf(colon.nextSibling, depth + 1)]);
      else if (key.nextSibling === null) entries.push([name, { kind: "name", path: name }]);
    }
    return entries;
  }
}

/** A key of an object, a subscript, and a piece of a longer text: names of something else. */
function isPart({ parent, nextSibling }: SyntaxNode): boolean {
  if (parent?.name === "Property") return nextSibling?.name === ":";
  return (
    parent?.name === "MemberExpression" ||
    (parent?.name === "BinaryExpression" && !!parent.getChild("ArithOp"))
  );
}
