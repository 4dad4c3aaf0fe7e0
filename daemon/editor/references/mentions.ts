import { type Assignment, attributeOf, type Call, firstName, type Value } from "./facts.ts";

/**
 * The names that what a statement tells leads to: those alone are ever looked up, so nothing needs to be known of others. An
 * attribute of the object at hand is told by its own name, any other path by itself and by its first name.
 */
export function mentionsOf(calls: readonly Call[], assignments: readonly Assignment[]): readonly string[] {
  const found = new Set<string>();
  const values: Value[] = [...calls.map(({ call }) => call), ...assignments.map(({ value }) => value)];
  for (let value = values.pop(); value !== undefined; value = values.pop()) {
    switch (value.kind) {
      case "name":
        add(found, value.path);
        break;
      case "call":
        if (value.receiver !== undefined) values.push(value.receiver);
        values.push(...value.positional, ...value.named.map(([, given]) => given));
        break;
      case "list":
        values.push(...value.items);
        break;
      case "map":
        values.push(...value.entries.map(([, given]) => given));
        break;
    }
  }
  return [...found];
}

function add(found: Set<string>, path: string): void {
  const attribute = attributeOf(path);
  if (attribute === undefined) found.add(path).add(firstName(path));
  else found.add(attribute);
}
