/** Texts of JSON values: the canonical one that digests are made of, and the compact one that keeps number sources. */
import { JsonNumber, type JsonValue, parseJson } from "./json.ts";

/**
 * Canonical form of JSON text as of RFC 8785: keys sorted by UTF-16 code units, numbers as ECMAScript writes them
 * (`1.0` becomes `1`), no spaces. `root` is put before the paths of faults.
 * Throws PipekitError INVALID_CONFIG (see parseJson).
 */
export function canonicalJson(text: string, root = ""): string {
  return canonicalText(parseJson(text, root));
}

/** Canonical form (RFC 8785) of a parsed value. */
export function canonicalText(value: JsonValue): string {
  return write(value, (number) => JSON.stringify(number.value), true);
}

/** Text without spaces that keeps the order of keys and the source of numbers: `1.0` stays `1.0`. */
export function compactText(value: JsonValue): string {
  return write(value, (number) => number.source, false);
}

function write(root: JsonValue, numberText: (number: JsonNumber) => string, sorted: boolean): string {
  const parts: string[] = [];
  const visit = (value: JsonValue): void => {
    if (value instanceof JsonNumber) {
      parts.push(numberText(value));
    } else if (value instanceof Map) {
      const keys = [...value.keys()];
      // The default order of sort() is that of UTF-16 code units.
      if (sorted) keys.sort();
      let lead = "{";
      for (const key of keys) {
        parts.push(lead, JSON.stringify(key), ":");
        visit(value.get(key));
        lead = ",";
      }
      parts.push(lead === "{" ? "{}" : "}");
    } else if (Array.isArray(value)) {
      let lead = "[";
      for (const item of value) {
        parts.push(lead);
        visit(item);
        lead = ",";
      }
      parts.push(lead === "[" ? "[]" : "]");
    } else {
      parts.push(JSON.stringify(value));
    }
  };
  visit(root);
  return parts.join("");
}
