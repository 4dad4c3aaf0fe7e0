/** Values as Python writes them: what `str()` and `repr()` give where OmegaConf puts a value into a text. */
import { type Atom, isDict, type Plain } from "./values.ts";

/** Characters that `repr` escapes: no letters, marks, digits, signs, nor the space. */
const UNPRINTABLE = /[^\P{C}]|[^\P{Z} ]/gu;

/** Told of each value that is written; throws to stop. */
export type Spend = (values: number) => void;

/** Python's `str(value)`. Throws what `spend` throws. */
export function pythonText(value: Plain, spend: Spend): string {
  return typeof value === "string" ? value : pythonRepr(value, spend);
}

/** Python's `repr(value)`. Throws what `spend` throws. */
export function pythonRepr(value: Plain, spend: Spend): string {
  spend(1);
  if (value === null || typeof value !== "object") return atomRepr(value);
  if (isDict(value)) {
    const entries = [...value.values()].map(
      ([key, entry]) => `${atomRepr(key)}: ${pythonRepr(entry, spend)}`,
    );
    return `{${entries.join(", ")}}`;
  }
  return `[${value.map((item) => pythonRepr(item, spend)).join(", ")}]`;
}

export function atomRepr(value: Atom): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number") return floatRepr(value);
  return stringRepr(value);
}

/** A float as Python writes it: always with a point or an exponent, the exponent of two digits at least. */
export function floatRepr(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const [digits = "", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (value === 0 || (exponent >= -4 && exponent < 16)) {
    const text = value.toString();
    return /[.e]/.test(text) ? text : `${text}.0`;
  }
  const size = Math.abs(exponent).toString().padStart(2, "0");
  return `${digits}e${exponent < 0 ? "-" : "+"}${size}`;
}

function stringRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text
    .replaceAll("\\", "\\\\")
    .replaceAll(quote, `\\${quote}`)
    .replace(UNPRINTABLE, escapeCharacter);
  return `${quote}${escaped}${quote}`;
}

function escapeCharacter(character: string): string {
  const known: { readonly [character: string]: string } = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
  const short = known[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  if (code <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
