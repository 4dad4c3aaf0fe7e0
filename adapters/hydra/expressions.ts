import type { Atom } from "./values.ts";

/** A reference to another node. `parts` joined give its key, dots and brackets included. */
export interface Reference {
  readonly kind: "reference";
  readonly parts: readonly (string | Interpolation)[];
}

/** A call of a resolver. `name` joined by dots gives its name. */
export interface Call {
  readonly kind: "call";
  readonly name: readonly (string | Interpolation)[];
  readonly args: readonly Expression[];
}

export type Interpolation = Reference | Call;

/** What a text stands for. `joined` is always a text, even of one part. */
export type Expression =
  | Interpolation
  | { readonly kind: "value"; readonly value: Atom }
  | { readonly kind: "joined"; readonly parts: readonly (string | Interpolation)[] }
  | { readonly kind: "list"; readonly items: readonly Expression[] }
  | { readonly kind: "dict"; readonly pairs: readonly (readonly [Atom, Expression])[] };
