import { atomRepr, floatRepr } from "./python-text.ts";
import type { Atom, KeyAtom } from "./values.ts";

/** JSON of a value. What JSON cannot hold becomes a text, as Python names it. */
export function atomJson(value: Atom): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "number") return JSON.stringify(value);
  return Number.isFinite(value) ? floatRepr(value) : JSON.stringify(floatRepr(value));
}

/** A key that is no text, as Python's json writes it. */
export function jsonKey(key: KeyAtom | null): string {
  return key === null || typeof key === "boolean" ? String(key) : atomRepr(key);
}
