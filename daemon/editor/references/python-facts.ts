import type { SyntaxNode, TreeCursor } from "@lezer/common";
import { type CallValue, type Entry, firstName, OTHER, type Value } from "./facts.ts";
import { pythonString } from "./literals.ts";
import { Reader } from "./reader.ts";

/** Reads Python. */
export class PythonReader extends Reader {
  enter(node: TreeCursor): boolean {
    switch (node.name) {
      case "ImportStatement":
        this.#readImport(node.node);
        return false;
      case "AssignStatement":
      case "NamedExpression":
        this.#readAssignment(node.node);
        return true;
      case "CallExpression":
        this.readCall(node.node);
        return true;
      case "LambdaExpression":
        this.openScope();
        return true;
      case "ParamList":
        this.#readParameters(node.node);
        return true;
      case "WithStatement":
      case "ForStatement":
        this.#readTargets(node.node);
        return true;
      case "ExpressionStatement":
        // A string that stands alone is a comment.
        return !/String$/.test(node.node.firstChild?.name ?? "");
      case "TypeDef":
      case "ContinuedString":
        return false;
      case "String":
        if (!isPart(node.node)) this.looseString(pythonString(this.text, node.from, node.to));
        return false;
      case "Comment":
        this.comment(node);
        return false;
      default:
        return true;
    }
  }

  leave(node: TreeCursor): void {
    if (node.name === "LambdaExpression") this.closeScope();
  }

  protected ownValue(node: SyntaxNode, depth: number): Value {
    if (node.name === "ContinuedString") return this.#unclosed(node);
    if (node.name === "ArrayComprehensionExpression" && !node.getChild("for"))
      return this.listOf(node, depth);
    if (node.name === "String") return pythonString(this.text, node.from, node.to) ?? OTHER;
    if (node.name === "Boolean") return { kind: "literal", text: this.slice(node).toLowerCase() };
    return node.name === "None" ? { kind: "none" } : OTHER;
  }

  /** Two strings beside each other are one text; but where there is no way to read them, the first one is being typed. */
  #unclosed(node: SyntaxNode): Value {
    const first = node.getChild("String");
    const broken = node.getChild("⚠") !== null || node.lastChild?.lastChild?.name === "⚠";
    const value = first && broken ? pythonString(this.text, first.from, first.to) : undefined;
    return value ? { ...value, closed: false } : OTHER;
  }

  protected args(list: SyntaxNode, depth: number): Pick<CallValue, "positional" | "named"> {
    const positional: Value[] = [];
    const named: Entry[] = [];
    for (const part of this.#parts(list)) {
      const [first, second, third] = part;
      if (first === undefined) continue;
      if (second?.name === "AssignOp") named.push([this.slice(first), this.valueOf(third ?? null, depth)]);
      // `*names`, a comprehension, and what is broken.
      else positional.push(second === undefined ? this.valueOf(first, depth) : OTHER);
    }
    return { positional, named };
  }

  /** What stands between commas. */
  #parts(node: SyntaxNode): SyntaxNode[][] {
    const parts: SyntaxNode[][] = [[]];
    for (const child of this.children(node)) {
      if (child.name === ",") parts.push([]);
      else if (!/^[()⚠]$|^Comment$/.test(child.name)) parts.at(-1)?.push(child);
    }
    return parts;
  }

  #readImport(node: SyntaxNode): void {
    const isFrom = node.firstChild?.name === "from";
    const found = node.getChild("import");
    const module = isFrom && found ? this.text.slice(node.from + 4, found.from).replace(/\s+/g, "") : "";
    const names = this.#parts(node).map((part) => part.filter(({ from }) => found && from >= found.to));
    for (const part of names) {
      const last = part.at(-1);
      if (last === undefined) continue;
      if (isFrom) this.importName(this.slice(last), module);
      else this.#importModule(part, last);
    }
  }

  /** `import a.b`, `import a.b as c`. */
  #importModule(part: readonly SyntaxNode[], last: SyntaxNode): void {
    const as = part.find(({ name }) => name === "as");
    const from = part[0]?.from ?? last.from;
    const module = this.text.slice(from, as?.from ?? last.to).replace(/\s+/g, "");
    this.importName(as ? this.slice(last) : firstName(module), module);
  }

  /** `a = b = value`, `a: Type = value`, `a: Type`, `a, b = values`. */
  #readAssignment(node: SyntaxNode): void {
    const sides: SyntaxNode[][] = [[]];
    let type: SyntaxNode | undefined;
    for (const child of this.children(node)) {
      if (child.name === "AssignOp") sides.push([]);
      else if (child.name === "TypeDef") type = child;
      else sides.at(-1)?.push(child);
    }
    const right = sides.length > 1 ? sides.pop() : undefined;
    const value = right?.length === 1 ? this.valueOf(right[0] ?? null) : right ? OTHER : this.#typed(type);
    for (const left of sides) {
      for (const target of left) this.#assignTo(target, left.length === 1 ? value : OTHER);
    }
  }

  #assignTo(target: SyntaxNode, value: Value): void {
    const path = target.name === "," ? undefined : this.pathOf(target);
    if (path !== undefined) this.assign(path, value, target.from);
  }

  #readParameters(node: SyntaxNode): void {
    for (const part of this.#parts(node)) {
      const name = part.find((child) => child.name === "VariableName");
      const type = part.find((child) => child.name === "TypeDef");
      if (name) this.assign(this.slice(name), this.#typed(type), name.from);
    }
  }

  /** `with value as name`, `for name in values`. */
  #readTargets(node: SyntaxNode): void {
    let before: SyntaxNode | undefined;
    let inTargets = node.name === "ForStatement";
    for (const child of this.children(node)) {
      if (child.name === "in" || child.name === "Body") inTargets = false;
      if (child.name === "as") continue;
      const aliased = child.prevSibling?.name === "as";
      if (aliased || (inTargets && child.name !== "for")) {
        this.#assignTo(child, aliased ? this.valueOf(before ?? null) : OTHER);
      }
      before = child;
    }
  }

  #typed(type: SyntaxNode | undefined): Value {
    const of = type?.lastChild ? this.pathOf(type.lastChild) : undefined;
    return of === undefined ? OTHER : { kind: "instance", of };
  }
}

/** A key of a dictionary, a subscript, and a piece of a longer text: names of something else. */
function isPart({ parent, nextSibling }: SyntaxNode): boolean {
  if (parent?.name === "DictionaryExpression") return nextSibling?.name === ":";
  return (
    parent?.name === "MemberExpression" ||
    (parent?.name === "BinaryExpression" && !!parent.getChild("ArithOp"))
  );
}
