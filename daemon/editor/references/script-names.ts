import type { SyntaxNode } from "@lezer/common";
import { OTHER, type Value } from "./facts.ts";
import { scriptString } from "./literals.ts";
import { DEEPEST, Reader } from "./reader.ts";

/** Reads what names of TypeScript and JavaScript are given. */
export abstract class ScriptNames extends Reader {
  /** Tells whether there is more in it than names. */
  protected readImport(node: SyntaxNode): boolean {
    const module = node.getChild("String");
    if (module === null) return node.name === "ExportDeclaration";
    const { text } = scriptString(this.text, module.from, module.to);
    for (const name of this.#definitions(node)) this.importName(name, text);
    return false;
  }

  /** Names that an import or a pattern defines. */
  *#definitions(node: SyntaxNode, depth = 0): Generator<string> {
    if (depth > DEEPEST) return;
    for (const child of this.children(node)) {
      if (child.name === "VariableDefinition") yield this.slice(child);
      else if (/^ImportGroup$|Pattern$|^PatternProperty$/.test(child.name))
        yield* this.#definitions(child, depth + 1);
    }
  }

  /** `const a = value, b: Type = value, { c } = value`. */
  protected readDeclaration(node: SyntaxNode): void {
    let part: SyntaxNode[] = [];
    for (const child of this.children(node)) {
      if (child.name !== "," && child.name !== ";") part.push(child);
      if (child.name === "," || child.nextSibling === null || child.nextSibling.name === ";") {
        this.#readDefinition(part);
        part = [];
      }
    }
  }

  #readDefinition(part: readonly SyntaxNode[]): void {
    const equals = part.find(({ name }) => name === "Equals");
    const value = equals ? this.valueOf(equals.nextSibling) : this.#typed(part);
    const module = moduleOf(value);
    for (const child of part) {
      if (child === equals) return;
      const names = child.name === "VariableDefinition" ? [this.slice(child)] : this.#patternNames(child);
      const given = child.name === "VariableDefinition" ? value : OTHER;
      for (const name of names) {
        if (module === undefined) this.assign(name, given, child.from);
        else this.importName(name, module);
      }
    }
  }

  #patternNames(node: SyntaxNode): Iterable<string> {
    return /Pattern$/.test(node.name) ? this.#definitions(node) : [];
  }

  /** `a.b = value`, and `#a = value` in a class. */
  protected readAssignment(node: SyntaxNode): void {
    const children = [...this.children(node)];
    const target = children.find(({ name }) => /Definition$|^VariableName$|^MemberExpression$/.test(name));
    const equals = children.find(({ name }) => name === "Equals");
    const path = target && this.pathOf(target);
    if (target === undefined || path === undefined) return;
    const value = equals ? this.valueOf(equals.nextSibling) : this.#typed(children);
    this.assign(node.name === "PropertyDeclaration" ? `this.${path}` : path, value, target.from);
  }

  protected readParameters(node: SyntaxNode): void {
    let name: SyntaxNode | undefined;
    for (const child of this.children(node)) {
      if (child.name === "VariableDefinition") {
        name = child;
        this.assign(this.slice(child), OTHER, child.from);
      } else if (child.name === "TypeAnnotation" && name) {
        this.assign(this.slice(name), this.#typed([child]), name.from);
      } else {
        name = undefined;
        for (const inner of this.#patternNames(child)) this.assign(inner, OTHER, child.from);
      }
    }
  }

  #typed(part: readonly SyntaxNode[]): Value {
    const type = part.find(({ name }) => name === "TypeAnnotation")?.lastChild;
    const of = type ? this.pathOf(type) : undefined;
    return of === undefined ? OTHER : { kind: "instance", of };
  }
}

/** Of `require("module")`. */
function moduleOf(value: Value): string | undefined {
  if (value.kind !== "call" || value.name !== "require") return undefined;
  const first = value.positional[0];
  return first?.kind === "text" ? first.text : undefined;
}
