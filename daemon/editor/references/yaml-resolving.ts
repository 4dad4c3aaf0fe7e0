/** From the facts of a YAML file's entries to what its scalars name. */
import type { Cut } from "./cut.ts";
import { isRunId } from "./forms.ts";
import { byPlace, type Found, type NamedString, pinsOf } from "./found.ts";
import type { KeyedString, YamlFacts } from "./yaml-facts.ts";

export interface YamlStatement {
  readonly cut: Cut;
  readonly facts: YamlFacts;
}

/** Keys that no other tool uses for something else. */
const OWN_KEYS: ReadonlySet<string> = new Set(["model_ref", "model_tag", "trained_model_hash"]);

export function resolveYaml(statements: readonly YamlStatement[]): Found {
  const strings = new Map<number, NamedString>();
  const ours = statements.some(({ facts }) => facts.ours);
  for (const document of documentsOf(statements)) {
    const registry = document.find(({ facts }) => facts.registry !== undefined)?.facts.registry;
    for (const { cut, facts } of document) {
      for (const keyed of facts.keyed) {
        const named = nameOf(keyed, keyed.registry ?? (keyed.outermost ? registry : undefined), ours);
        add(strings, cut.from, named);
      }
      for (const loose of facts.strings) {
        add(strings, cut.from, {
          ...loose,
          certain: false,
          special: false,
          closed: true,
          registry: undefined,
        });
      }
    }
  }
  return { strings: byPlace([...strings.values()]), calls: [], pins: pinsOf(statements) };
}

/** `ref` and `run_id` stand in the files of many tools. */
function nameOf(keyed: KeyedString, registry: string | undefined, ours: boolean): NamedString {
  const { names, key, text, span, closed } = keyed;
  const certain =
    OWN_KEYS.has(key) ||
    (key === "ref" && (ours || registry !== undefined)) ||
    (names === "run" && isRunId(text));
  const spec = names === "model" || names === "tag" ? registry : undefined;
  return { kind: names, text, span, certain, special: true, closed, registry: spec };
}

function add(strings: Map<number, NamedString>, base: number, found: NamedString): void {
  const from = base + found.span.from;
  if (strings.has(from)) return;
  strings.set(from, { ...found, span: { from, to: base + found.span.to } });
}

/** The statements of each document of the file. */
function documentsOf(statements: readonly YamlStatement[]): YamlStatement[][] {
  const documents: YamlStatement[][] = [[]];
  for (const statement of statements) {
    if (statement.facts.beginsDocument) documents.push([]);
    documents.at(-1)?.push(statement);
  }
  return documents;
}
