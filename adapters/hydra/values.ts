/**
 * Values of a config, kept apart as Python does: an integer is a bigint, a float a number. `1` and `1.0` look different
 * where they become text.
 */

/** A value that is no container. */
export type Atom = null | boolean | bigint | number | string;

/** What may be a key. */
export type KeyAtom = Exclude<Atom, null>;

/** A value that is no node of a config: what a resolver, or a list or dict written in an interpolation, gives. */
export type Plain = Atom | readonly Plain[] | PlainDict;

/** Entries by `identityOf` their keys. */
export type PlainDict = ReadonlyMap<string, readonly [key: Atom, value: Plain]>;

/** Two keys are the same key of a Python dict when these are: `1`, `1.0` and `True` are, `"1"` is another. */
export function identityOf(key: Atom): string {
  if (typeof key === "string") return `s${key}`;
  if (key === null) return "null";
  if (typeof key === "boolean") return key ? "n1" : "n0";
  if (typeof key === "number" && Number.isInteger(key)) return `n${BigInt(key)}`;
  return `n${key}`;
}

export function isDict(value: Plain): value is PlainDict {
  return value instanceof Map;
}
