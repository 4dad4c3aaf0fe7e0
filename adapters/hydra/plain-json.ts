import { identityOf, type Plain } from "./values.ts";

/** A JSON text as plain values; integers are integers, and numbers with a point or exponent floats. Throws SyntaxError. */
export function plainJson(text: string): Plain {
  return plainOf(JSON.parse(text, keepIntegers));
}

/** The source tells `1` from `1.0`. */
function keepIntegers(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number") return value;
  const source = context?.source ?? String(value);
  return /^-?[0-9]{1,400}$/.test(source) ? BigInt(source) : value;
}

function plainOf(value: unknown): Plain {
  if (Array.isArray(value)) return value.map(plainOf);
  if (typeof value === "object" && value !== null) {
    return new Map(Object.entries(value).map(([key, entry]) => [identityOf(key), [key, plainOf(entry)]]));
  }
  return value as Plain;
}
