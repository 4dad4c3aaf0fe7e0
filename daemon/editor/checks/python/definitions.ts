/** The names that a Python module defines, read from its text. */
import { parser } from "@lezer/python";

export interface Definitions {
  readonly names: ReadonlySet<string>;
  /** Modules of which `from x import *` takes the names, as written: `.nets`, `torch.nn.modules`. */
  readonly stars: readonly string[];
  /** False where code may define more than can be read: `__getattr__`, `globals()`. */
  readonly complete: boolean;
}

/** Blocks of a module whose names are the module's own. */
const TRANSPARENT = new Set([
  "Script",
  "IfStatement",
  "TryStatement",
  "WithStatement",
  "ForStatement",
  "WhileStatement",
  "Body",
  "StatementGroup",
  "DecoratedStatement",
]);
/** Statements in which the names on the left of `=` or of `for`, and after `as`, are the module's. */
const BINDING = new Set(["AssignStatement", "ForStatement", "WithStatement", "TypeDefinition"]);

/** Reads a module. Code that is broken gives what can be read of it, and is then not complete. */
export function definitions(text: string): Definitions {
  const names = new Set<string>();
  const stars: string[] = [];
  let complete = !/\bglobals\(\)|\bsetattr\(sys\.modules|\bsys\.modules\[__name__\]|\bexec\(/.test(text);
  const read = (from: number, to: number) => text.slice(from, to);
  const tree = parser.parse(text);
  tree.iterate({
    enter: ({ type }) => {
      if (type.isError) complete = false;
      return complete;
    },
  });
  tree.iterate({
    enter: ({ name, from, to, node }) => {
      if (name === "FunctionDefinition" || name === "ClassDefinition") {
        const named = node.getChild("VariableName");
        if (named !== null) names.add(read(named.from, named.to));
        return false;
      }
      if (name === "ImportStatement") {
        const statement = read(from, to);
        const star = /^from\s+(\S+)\s+import\s*\*/.exec(statement)?.[1];
        if (star !== undefined) stars.push(star);
        for (const imported of importedNames(statement)) names.add(imported);
        return false;
      }
      if (BINDING.has(name)) {
        // The left side alone binds; taking in names of the right side as well never causes a false alarm.
        for (const [word] of read(from, to)
          .split("\n", 1)[0]
          ?.matchAll(/[\p{L}_][\p{L}\p{N}_]*/gu) ?? [])
          names.add(word);
      }
      return TRANSPARENT.has(name);
    },
  });
  return { names, stars, complete: complete && !names.has("__getattr__") };
}

/** What an import statement binds in its module. */
function importedNames(statement: string): string[] {
  const flat = statement
    .replace(/#.*$/gm, "")
    .replace(/[()\\\s]+/g, " ")
    .trim();
  const from = /^from\s+\S+\s+import\s+(.*)$/s.exec(flat)?.[1];
  const plain = /^import\s+(.*)$/s.exec(flat)?.[1];
  return (from ?? plain ?? "").split(",").flatMap((part) => {
    const [name = "", alias] = part.trim().split(" as ");
    if (alias !== undefined) return [alias.trim()];
    return name === "" || name === "*" ? [] : [plain === undefined ? name : (name.split(".")[0] ?? "")];
  });
}
