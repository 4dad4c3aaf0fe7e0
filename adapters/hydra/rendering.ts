/** Writes a config as JSON, resolved, and tells what cannot be. */
import { refused, Unresolved } from "./faults.ts";
import { atomJson, jsonKey } from "./json-text.ts";
import { type ConfigNode, type MappingNode, pathOf, ScalarNode, SequenceNode } from "./nodes.ts";
import { type Findings, quoted } from "./problems.ts";
import { floatRepr } from "./python-text.ts";
import type { Found } from "./resolver.ts";
import type { Resolution } from "./resolving.ts";
import { isContainer } from "./selecting.ts";
import { type Atom, isDict, type Plain } from "./values.ts";

const NOTHING = { start: 0, end: 0 };
/** Deepest nesting of what is written: containers may lead on to others. */
const MAX_WRITTEN_DEPTH = 500;

/** Where the JSON of a scalar or interpolation lies in the whole; undefined for what is not resolved. */
export type Slices = ReadonlyMap<ScalarNode, readonly [start: number, end: number] | undefined>;

export class JsonWriter {
  readonly #resolution: Resolution;
  readonly #findings: Findings;
  readonly #chunks: string[] = [];
  readonly #slices = new Map<ScalarNode, readonly [number, number] | undefined>();
  /** Containers that are being written, the outermost first. */
  readonly #open = new Set<ConfigNode>();
  /** Values of the text that led to what is written now. */
  readonly #via: ScalarNode[] = [];
  #length = 0;

  constructor(resolution: Resolution, findings: Findings) {
    this.#resolution = resolution;
    this.#findings = findings;
  }

  /** Throws LimitPassed. */
  document(root: ConfigNode): { readonly json: string; readonly slices: Slices } {
    this.#node(root);
    return { json: this.#chunks.join(""), slices: this.#slices };
  }

  #node(node: ConfigNode): void {
    if (node instanceof ScalarNode) {
      this.#scalar(node);
      return;
    }
    this.#open.add(node);
    if (node instanceof SequenceNode) this.#list(node.items, (item) => this.#node(item));
    else this.#object(node);
    this.#open.delete(node);
  }

  #object(node: MappingNode): void {
    const entries = [...node.entries.values()];
    this.#dict(
      entries.map(({ key, node: value }) => [key, value]),
      (value) => this.#node(value),
      node,
    );
  }

  #scalar(node: ScalarNode): void {
    const start = this.#length;
    const resolved = this.#value(node);
    const inText = node.place?.own === true && this.#via.length === 0;
    if (inText) this.#slices.set(node, resolved ? [start, this.#length] : undefined);
  }

  /** Whether it could be resolved. */
  #value(node: ScalarNode): boolean {
    if (node.isMissing) this.#tellMissing(node);
    if (!node.isInterpolation) {
      this.#atom(node.value, node);
      return !node.isMissing;
    }
    let found: Found;
    try {
      found = this.#checked(this.#resolution.resolved(node));
    } catch (error) {
      if (!(error instanceof Unresolved)) throw error;
      this.#tell(node, error);
      this.#atom(node.value, node);
      return false;
    }
    this.#via.push(node);
    this.#found(found, node);
    this.#via.pop();
    return true;
  }

  #checked(found: Found): Found {
    if (isContainer(found) && this.#open.has(found)) {
      const path = pathOf(found);
      const via = this.#via.map((node) => `\`${pathOf(node)}\` -> `).join("");
      const what = `runs in a circle: ${via}${path === "" ? "the config" : `\`${path}\``} holds itself`;
      throw new Unresolved({ code: "cycle", what, mend: "Break the circle.", isError: true });
    }
    if (this.#open.size > MAX_WRITTEN_DEPTH)
      throw refused("leads to containers nested too deep", "Flatten it.");
    return found;
  }

  #found(found: Found, at: ScalarNode): void {
    if (found instanceof ScalarNode) this.#atom(found.value, at);
    else if (isContainer(found)) this.#node(found);
    else this.#plain(found, at);
  }

  #plain(value: Plain, at: ScalarNode): void {
    if (value === null || typeof value !== "object") this.#atom(value, at);
    else if (isDict(value)) this.#dict([...value.values()], (entry) => this.#plain(entry, at), at);
    else this.#list(value, (item) => this.#plain(item, at));
  }

  #list<T>(items: readonly T[], write: (item: T) => void): void {
    this.#put("[");
    for (const [index, item] of items.entries()) {
      if (index > 0) this.#put(", ");
      write(item);
    }
    this.#put("]");
  }

  #dict<T>(entries: readonly (readonly [Atom, T])[], write: (value: T) => void, at: ConfigNode): void {
    const names = new Set<string>();
    this.#put("{");
    for (const [index, [key, value]] of entries.entries()) {
      const name = typeof key === "string" ? key : jsonKey(key);
      if (names.has(name)) {
        const message = `${quoted(pathOf(at))} has two keys that JSON writes \`${name.slice(0, 100)}\`.`;
        this.#report(at, { code: "key", message, mend: "Rename one of them.", isError: false });
      }
      names.add(name);
      if (index > 0) this.#put(", ");
      this.#put(`${JSON.stringify(name)}: `);
      write(value);
    }
    this.#put("}");
  }

  #atom(value: Atom, at: ScalarNode): void {
    if (typeof value === "number" && !Number.isFinite(value)) {
      const message = `${quoted(pathOf(at))} is ${floatRepr(value)}, which JSON cannot hold: it is told as a text.`;
      this.#report(at, { code: "number", message, mend: "Nothing needs to be done.", isError: false });
    }
    if (typeof value === "bigint" && (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER)) {
      const message = `${quoted(pathOf(at))} is an integer beyond 2^53 - 1, which many tools round.`;
      this.#report(at, {
        code: "number",
        message,
        mend: "Write it as a text or as a float.",
        isError: false,
      });
    }
    this.#put(atomJson(value));
  }

  #put(text: string): void {
    this.#resolution.allowance.spend(text.length);
    this.#length += text.length;
    this.#chunks.push(text);
  }

  #tell(node: ScalarNode, { code, what, mend, isError }: Unresolved): void {
    this.#report(node, { code, message: `${quoted(pathOf(node))} ${what}.`, mend, isError });
  }

  #tellMissing(node: ScalarNode): void {
    const message = `${quoted(pathOf(node))} is \`???\`: a value must be given.`;
    this.#report(node, {
      code: "missing",
      message,
      mend: "Give it a value in an override or a config.",
      isError: false,
    });
  }

  /** What a resolver made has no place in the text: the value that called it has. */
  #report(
    node: ConfigNode,
    problem: {
      readonly code: string;
      readonly message: string;
      readonly mend: string;
      readonly isError: boolean;
    },
  ): void {
    const at =
      node.place === undefined ? (this.#via.findLast(({ place }) => place !== undefined) ?? node) : node;
    this.#findings.add({ ...problem, path: pathOf(at), span: at.place?.value ?? NOTHING });
  }
}
