/** Values of W&B's history as numbers. */
import type { JsonItem } from "./messages.ts";

const SPECIAL: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
  true: 1,
  false: 0,
};

/** Texts too, that nothing within them is taken for a number; one without an end goes to the end, so that none is read twice. */
const TEXT_OR_SPECIAL = /"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)|-?Infinity|NaN/gs;

/** The numbers in an item, by key; of a dict those in it, joined by dots. `left` is told the type of what is none. */
export function* numbersOf(
  { key, json }: JsonItem,
  left: (type: string) => void,
): Generator<[string, number]> {
  const number = numberOf(json);
  if (number !== undefined) yield [key, number];
  else if (json.startsWith("{")) yield* inside(key, parsed(json), left);
  else left(json.startsWith("[") ? "list" : json === "null" ? "null" : "text");
}

/** The number that JSON text is; the ones that JSON does not have are written bare or as a text. */
export function numberOf(json: string): number | undefined {
  const plain = json.startsWith('"') ? json.slice(1, -1) : json;
  if (Object.hasOwn(SPECIAL, plain)) return SPECIAL[plain];
  return /^-?\d/.test(json) ? Number(json) : undefined;
}

/** JSON text as a value; W&B's own NaN and infinities, which are no JSON, as texts. */
export function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    const quoted = json.replaceAll(TEXT_OR_SPECIAL, (token) =>
      token.startsWith('"') ? token : `"${token}"`,
    );
    try {
      return JSON.parse(Object.hasOwn(SPECIAL, json) ? `"${json}"` : quoted);
    } catch {
      return json;
    }
  }
}

function* inside(key: string, value: unknown, left: (type: string) => void): Generator<[string, number]> {
  if (typeof value === "number") yield [key, value];
  else if (typeof value === "boolean") yield [key, value ? 1 : 0];
  else if (typeof value === "string" && Object.hasOwn(SPECIAL, value)) yield [key, SPECIAL[value] as number];
  else if (typeof value !== "object" || value === null || Array.isArray(value)) left("text or list");
  else if ("_type" in value) left(String(value._type));
  else for (const [name, inner] of Object.entries(value)) yield* inside(`${key}.${name}`, inner, left);
}
