/**
 * What one statement tells, by itself: names, values, calls, strings. What they mean together is found in resolving.ts.
 * Offsets count from the start of the statement.
 */
import type { Span } from "./reference.ts";

/** What an expression is, as far as it can be read. */
export type Value =
  | TextValue
  /** A number or a truth value, as a query of a spec has it; `none` for None, null and undefined. */
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "none" }
  /** A name, or names with dots. */
  | { readonly kind: "name"; readonly path: string }
  | CallValue
  /** A parameter, by the type that is written beside it. */
  | { readonly kind: "instance"; readonly of: string }
  | { readonly kind: "list"; readonly items: readonly Value[] }
  | { readonly kind: "map"; readonly entries: readonly Entry[] }
  | { readonly kind: "other" };

export type Entry = readonly [name: string, value: Value];

/** A string without a computed part. */
export interface TextValue {
  readonly kind: "text";
  readonly text: string;
  /** What stands between the quotes, or to the end of the line when the string is not `closed`. */
  readonly span: Span;
  readonly closed: boolean;
}

export interface CallValue {
  readonly kind: "call";
  /** The last name of what is called: `load` of `registry.load`. */
  readonly name: string;
  /** What stands before it; undefined for a plain name. */
  readonly receiver: Value | undefined;
  readonly positional: readonly Value[];
  readonly named: readonly Entry[];
  /** Of what is called. */
  readonly span: Span;
}

export const OTHER: Value = { kind: "other" };

/** A name that is given a value. */
export interface Assignment {
  readonly path: string;
  /** `registry` of `self.registry` and of `this.#registry`. */
  readonly attribute: string | undefined;
  readonly value: Value;
  readonly at: number;
  readonly scope: number;
}

export interface Call {
  readonly call: CallValue;
  readonly scope: number;
}

export interface ImportedName {
  readonly name: string;
  readonly module: string;
}

/** A string that names no place of its own, of a form that a ref or a run id has. */
export interface LooseString {
  readonly text: string;
  readonly span: Span;
  readonly kind: "model" | "run";
}

/** A comment `pipekit: production@7`. */
export interface Pin {
  readonly text: string;
  /** Where its line begins, and where the comment does. */
  readonly lineFrom: number;
  readonly at: number;
}

export interface Facts {
  readonly imports: readonly ImportedName[];
  readonly assignments: readonly Assignment[];
  /** Calls by a name that may matter. */
  readonly calls: readonly Call[];
  readonly strings: readonly LooseString[];
  readonly pins: readonly Pin[];
  /** Names that calls and values lead to; see mentions.ts. */
  readonly mentions: readonly string[];
  /** By number; the first is the statement's own. */
  readonly scopes: readonly InnerScope[];
}

/** A part of a statement with names of its own. */
export interface InnerScope {
  /** The number of the one around it; -1 for the statement's own. */
  readonly parent: number;
  readonly ofClass: boolean;
}

/** The last of names with dots. */
export function lastName(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}

/** The first of names with dots. */
export function firstName(path: string): string {
  const dot = path.indexOf(".");
  return dot < 0 ? path : path.slice(0, dot);
}

/** `registry` of `self.registry` and of `this.#registry`; undefined for what is no attribute of the object at hand. */
export function attributeOf(path: string): string | undefined {
  if (!path.startsWith("self.") && !path.startsWith("this.") && !path.startsWith("cls.")) return undefined;
  return path.slice(path.indexOf(".") + 1);
}
