import type { Cut } from "./cut.ts";
import { type Assignment, attributeOf, type Facts, firstName, type Value } from "./facts.ts";

/** A statement of the file, with what it tells. */
export interface Statement {
  readonly cut: Cut;
  readonly facts: Facts;
}

const OURS = /^(?:pipekit_experiment(?:\.|$)|@pipekit\/experiment(?:\/|$))/;

interface Scope {
  readonly parent: Scope | undefined;
  readonly names: Map<string, Given[]>;
  /** Names of a class are not seen in its methods; they are attributes there. */
  readonly ofClass: boolean;
}

interface Given {
  readonly value: Value;
  readonly at: number;
  readonly scope: Scope;
}

/** A place in the file where a name is looked up. */
export interface Place {
  readonly scope: Scope;
  readonly at: number;
}

/** What the names of a file stand for, as far as anything in it leads to them. */
export class Names {
  readonly #mentioned: ReadonlySet<string>;
  /** Attributes of objects, whatever method gave them their value. */
  readonly #attributes = new Map<string, Given[]>();
  readonly #modules = new Map<string, string>();
  readonly #scopes: (readonly Scope[])[] = [];
  /** The file imports the client. */
  usesClient = false;

  constructor(statements: readonly Statement[]) {
    const file: Scope = { parent: undefined, names: new Map(), ofClass: false };
    this.#mentioned = mentionedIn(statements);
    const around: { readonly indent: number; readonly scope: Scope }[] = [];
    let alone: readonly Scope[] = [file];
    for (const { cut, facts } of statements) {
      while ((around.at(-1)?.indent ?? -1) >= cut.indent) around.pop();
      const outer = around.at(-1)?.scope ?? file;
      const own = cut.opens === undefined ? outer : inner(outer, cut.opens === "class");
      if (own !== outer) around.push({ indent: cut.indent, scope: own });
      // Most statements have no scopes of their own; a long file has many statements.
      if (alone[0] !== own) alone = [own];
      const scopes = facts.scopes.length === 1 ? alone : innerScopes(facts.scopes, own);
      this.#scopes.push(scopes);
      this.#read(facts, cut.from, scopes);
    }
  }

  /** Where something in a scope of the statement stands. */
  place(statement: number, scope: number, at: number): Place | undefined {
    const found = this.#scopes[statement]?.[scope];
    return found && { scope: found, at };
  }

  /** What the name was given last before the place; else what it is given first. Undefined for a name from elsewhere. */
  lookUp(path: string, { scope, at }: Place): { readonly value: Value; readonly place: Place } | undefined {
    const attribute = attributeOf(path);
    const given =
      attribute === undefined
        ? inScope(path, scope)
        : (ofObject(attribute, scope) ?? this.#attributes.get(attribute));
    const found = given && (lastBefore(given, at) ?? given[0]);
    return found && { value: found.value, place: { scope: found.scope, at: found.at } };
  }

  /** The module that a name was imported from. */
  moduleOf(name: string): string | undefined {
    return this.#modules.get(name);
  }

  isOurs(module: string): boolean {
    return OURS.test(module);
  }

  #read(facts: Facts, from: number, scopes: readonly Scope[]): void {
    for (const { name, module } of facts.imports) {
      this.#modules.set(name, module);
      this.usesClient ||= OURS.test(module);
    }
    for (const assignment of facts.assignments) {
      const scope = scopes[assignment.scope] ?? scopes[0];
      if (scope !== undefined) this.#give(assignment, from, scope);
    }
  }

  #give({ path, attribute, value, at }: Assignment, from: number, scope: Scope): void {
    const own = attribute ?? (scope.ofClass ? path : undefined);
    if (!this.#mentioned.has(own ?? path)) return;
    const given: Given = { value, at: from + at, scope };
    if (own !== undefined) {
      append(this.#attributes, own, given);
      const ofClass = classAround(scope);
      if (ofClass !== undefined) append(ofClass.names, own, given);
    } else append(scope.names, path, given);
  }
}

function mentionedIn(statements: readonly Statement[]): Set<string> {
  const found = new Set<string>();
  for (const { facts } of statements) for (const name of facts.mentions) found.add(name);
  return found;
}

/** The scopes of a statement; the first is the one that it stands in, or opens. */
function innerScopes(scopes: Facts["scopes"], own: Scope): Scope[] {
  const found: Scope[] = [];
  for (const { parent, ofClass } of scopes) {
    found.push(parent < 0 ? own : inner(found[parent] ?? own, ofClass));
  }
  return found;
}

function inner(parent: Scope, ofClass: boolean): Scope {
  return { parent, names: new Map(), ofClass };
}

function classAround(from: Scope): Scope | undefined {
  let scope: Scope | undefined = from;
  while (scope !== undefined && !scope.ofClass) scope = scope.parent;
  return scope;
}

/** What an attribute of the object at hand was given in the methods of its class. */
function ofObject(attribute: string, from: Scope): readonly Given[] | undefined {
  return classAround(from)?.names.get(attribute);
}

/** They stand in the order of the file. */
function lastBefore(given: readonly Given[], at: number): Given | undefined {
  let low = 0;
  let high = given.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((given[middle]?.at ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return given[low - 1];
}

function inScope(path: string, from: Scope): readonly Given[] | undefined {
  for (let scope: Scope | undefined = from; scope !== undefined; scope = scope.parent) {
    const given = scope.ofClass && scope !== from ? undefined : scope.names.get(path);
    if (given !== undefined) return given;
    // An attribute of a name that is given here is none of the name around.
    const head = firstName(path);
    if (head !== path && scope.names.has(head) && !(scope.ofClass && scope !== from)) return undefined;
  }
  return undefined;
}

function append(names: Map<string, Given[]>, path: string, given: Given): void {
  const list = names.get(path);
  if (list === undefined) names.set(path, [given]);
  else list.push(given);
}
