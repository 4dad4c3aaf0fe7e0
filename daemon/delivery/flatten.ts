/**
 * Flattens a JSON object to params: nested objects by dots, lists and empty objects as JSON text, strings as they
 * are, everything else as its JSON text (`null` becomes "null"). Of two values for one flat key the later stays.
 */
export function flattenJson(json: string): Record<string, string> {
  const root: unknown = json === "" ? {} : JSON.parse(json);
  if (!isObject(root)) throw new TypeError("Params must be a JSON object.");
  const entries: [string, string][] = [];
  for (const [key, value] of Object.entries(root)) flattenInto(entries, key, value);
  // fromEntries defines own properties, so that a key `__proto__` is one like any other.
  return Object.fromEntries(entries);
}

function flattenInto(entries: [string, string][], key: string, value: unknown): void {
  if (isObject(value) && Object.keys(value).length > 0) {
    for (const [name, inner] of Object.entries(value)) flattenInto(entries, `${key}.${name}`, inner);
  } else {
    entries.push([key, typeof value === "string" ? value : JSON.stringify(value)]);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
