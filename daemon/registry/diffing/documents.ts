/** In which entries two JSON documents differ. */
import type { DiffEntry } from "@pipekit/proto";
import { canonicalText, compactText, JsonNumber, type JsonValue } from "../../content/index.ts";

/** An object or a list with more differences is told as one difference: an answer is one message. */
const MAX_ENTRIES = 300;
/** A longer text is told as a JSON text that says how long it is, for the same reason. */
const MAX_TEXT_BYTES = 2 * 1024;
const MAX_PATH_LENGTH = 300;
const PLAIN_KEY = /^[A-Za-z_$][\w$-]*$/;

/**
 * Differences in the order of `a`, what only `b` has last. Numbers are the same when their values are (`1` and `1.0`), as
 * they are in a model's identity, and are told as they were written.
 */
export function diffDocuments(
  document: string,
  a: JsonValue | undefined,
  b: JsonValue | undefined,
): DiffEntry[] {
  return diffValues(document, "", a, b);
}

function diffValues(
  document: string,
  path: string,
  a: JsonValue | undefined,
  b: JsonValue | undefined,
): DiffEntry[] {
  const parts = partsOf(path, a, b);
  if (parts === undefined) return isSame(a, b) ? [] : [whole(document, path, a, b)];
  const entries: DiffEntry[] = [];
  for (const part of parts) {
    entries.push(...diffValues(document, part.path, part.a, part.b));
    if (entries.length > MAX_ENTRIES) return [whole(document, path, a, b)];
  }
  return entries;
}

function isSame(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return a === undefined || b === undefined ? a === b : canonicalText(a) === canonicalText(b);
}

function whole(
  document: string,
  path: string,
  a: JsonValue | undefined,
  b: JsonValue | undefined,
): DiffEntry {
  return { document, path, aJson: textOf(a), bJson: textOf(b) };
}

interface Part {
  readonly path: string;
  readonly a: JsonValue | undefined;
  readonly b: JsonValue | undefined;
}

/** Members of two objects, or items of two lists; undefined when there is nothing to go into. */
function partsOf(path: string, a: JsonValue | undefined, b: JsonValue | undefined): Part[] | undefined {
  if (a instanceof Map && b instanceof Map) {
    const keys = new Set<string>([...a.keys(), ...b.keys()]);
    return [...keys].map((key) => ({ path: memberPath(path, key), a: a.get(key), b: b.get(key) }));
  }
  if (!isList(a) || !isList(b)) return undefined;
  const length = Math.max(a.length, b.length);
  return Array.from({ length }, (_, i) => ({ path: cut(`${path}[${i}]`), a: a[i], b: b[i] }));
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value) && !(value instanceof JsonNumber);
}

function memberPath(path: string, key: string): string {
  if (!PLAIN_KEY.test(key)) return cut(`${path}[${JSON.stringify(key)}]`);
  return cut(path === "" ? key : `${path}.${key}`);
}

function cut(path: string): string {
  return path.length > MAX_PATH_LENGTH ? `${path.slice(0, MAX_PATH_LENGTH)}...` : path;
}

function textOf(value: JsonValue | undefined): string {
  const text = value === undefined ? "" : compactText(value);
  const bytes = Buffer.byteLength(text);
  return bytes <= MAX_TEXT_BYTES ? text : JSON.stringify(`${bytes} bytes of JSON`);
}
