/** What specs of several tools have in common behind their scheme. `tool` is the tool's name in sentences. */
import { SpecError } from "./tracker.ts";

/** The values of a query, each known and given once. Throws SpecError, with `mend` for an unknown key. */
export function readQuery(
  tool: string,
  query: URLSearchParams,
  known: readonly string[],
  mend: string,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [key, value] of query) {
    if (!known.includes(key)) {
      // What does not look like a key may be a secret.
      const named = /^[a-z_-]{1,20}$/.test(key) ? ` \`${key}\`` : "";
      throw new SpecError(`The ${tool} spec has an unknown query key${named}.`, mend);
    }
    if (values.has(key))
      throw new SpecError(`The ${tool} spec gives \`${key}\` twice.`, "Leave one of them.");
    values.set(key, value);
  }
  return values;
}

/** The path under which a server lives, without a slash at its end; empty by default. Throws SpecError with `mend`. */
export function readBase(tool: string, value: string | undefined, mend: string): string {
  const base = (value ?? "").replace(/\/+$/, "");
  const plain = base === "" || /^(?:\/[A-Za-z0-9._~-]+)+$/.test(base);
  if (plain && !base.split("/").some((part) => part === "." || part === "..")) return base;
  throw new SpecError(`The \`base\` of the ${tool} spec is not a plain path.`, mend);
}

/** Percent-encodes the segments of a path. */
export function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}
