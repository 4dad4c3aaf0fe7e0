/** Listing files and entries as one object store would: keys in byte order, after a key. */

import type { Files, Listed } from "./files.ts";

/** A key with its size and the entries of the folder that it lies in. */
export interface Found {
  readonly key: string;
  readonly size: number;
  readonly beside: readonly Listed[];
}

/** Files under `prefix`, byte order. */
export async function* filesUnder(
  files: Files,
  prefix: string,
  after: string,
  signal: AbortSignal,
): AsyncGenerator<Found> {
  const { folder, partial } = splitPrefix(prefix);
  const goesOn = folder === "" && after !== "";
  const beside = goesOn ? await files.recentRoot(signal) : await files.list(folder, signal);
  for (const { name, size } of beside) {
    if (!name.startsWith(partial)) continue;
    const key = folder + name;
    if (size !== undefined) {
      if (isAfter(key, after)) yield { key, size, beside };
    } else if (isAfter(`${key}/`, after) || after.startsWith(`${key}/`)) {
      yield* filesUnder(files, `${key}/`, after, signal);
    }
  }
}

/** Of some keys those under `prefix` and after `after`, byte order. */
export function keysUnder(keys: Iterable<string>, prefix: string, after: string): string[] {
  return inOrder([...keys].filter((key) => key.startsWith(prefix) && isAfter(key, after)));
}

/** The distinct first segments after `prefix` of some keys, each with the prefix's folder before it and `/` behind. */
export function segmentsUnder(keys: Iterable<string>, prefix: string): string[] {
  const from = splitPrefix(prefix).folder.length;
  const under = [...keys].filter((key) => key.startsWith(prefix) && key.includes("/", from));
  return [...new Set(under.map((key) => key.slice(0, key.indexOf("/", from) + 1)))];
}

export function splitPrefix(prefix: string): { folder: string; partial: string } {
  const end = prefix.lastIndexOf("/") + 1;
  return { folder: prefix.slice(0, end), partial: prefix.slice(end) };
}

export function inOrder(keys: readonly string[]): string[] {
  return keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

export function isAfter(key: string, after: string): boolean {
  return Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0;
}
