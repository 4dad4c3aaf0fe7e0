/**
 * Writing of `.dvc` files, byte for byte as DVC writes them. Of a file that is there already only what changes is
 * replaced, so that comments, order and keys of others stay (dvc does so by ruamel's round trip; dvc/dvcfile.py).
 */
import { isMap, isScalar, isSeq, type Pair, parseDocument, type Scalar, type YAMLMap } from "yaml";
import { DatasetFault } from "../dataset.ts";
import { keyWithText } from "./yaml-text.ts";

/** What is recorded of one output, in DVC's words. */
export interface OutputFacts {
  readonly md5: string;
  readonly size: number;
  /** Of a folder. */
  readonly nfiles?: number;
  /** Only when a file is executable. */
  readonly isexec?: true;
}

/** The keys that a new version changes, in DVC's order. */
const CHANGING = ["md5", "size", "nfiles", "isexec", "hash"] as const;

/** The text of a new file with one output, whose path is relative to the file's folder. */
export function newDvcFile(facts: OutputFacts, path: string): string {
  const lines = CHANGING.flatMap((key) => lineOf(facts, key, 2));
  lines.push(keyWithText("path", path, 2));
  return `outs:\n- ${lines.join("\n").slice(2)}\n`;
}

/** The text with other facts of the output that is the `index`-th. `file` names it in a fault. */
export function changedDvcFile(text: string, index: number, facts: OutputFacts, file: string): string {
  const output = outputAt(text, index, file);
  const edits = CHANGING.map((key): Edit | undefined => {
    const pair = pairOf(output, key);
    const [line] = lineOf(facts, key, 0);
    if (pair === undefined) return line === undefined ? undefined : appended(text, output, line);
    if (line === undefined) return removed(text, pair);
    const value = pair.value as Scalar;
    const isSame = value.value === (key === "hash" ? "md5" : facts[key]);
    return isSame ? undefined : replaced(value, line.slice(key.length + 2));
  });
  // From the end on, so that places stay; what is appended at one place goes in in order.
  const ordered = edits
    .filter((edit) => edit !== undefined)
    .toReversed()
    .toSorted((a, b) => b.start - a.start);
  return ordered.reduce(
    (result, { start, end, by }) => result.slice(0, start) + by + result.slice(end),
    text,
  );
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly by: string;
}

type Key = (typeof CHANGING)[number];

function lineOf(facts: OutputFacts, key: Key, indent: number): readonly string[] {
  if (key === "hash") return [keyWithText("hash", "md5", indent)];
  const value = facts[key];
  if (value === undefined) return [];
  return [
    typeof value === "string" ? keyWithText(key, value, indent) : `${" ".repeat(indent)}${key}: ${value}`,
  ];
}

type OutputMap = YAMLMap<Scalar, Scalar | null>;

function outputAt(text: string, index: number, file: string): OutputMap {
  const outs = parseDocument(text).get("outs");
  const output = isSeq(outs) ? outs.items[index] : undefined;
  const isPlain = isMap<Scalar, Scalar | null>(output) && output.flow !== true;
  if (
    !isPlain ||
    !output.items.every(({ key, value }) => isScalar(key) && (value === null || "range" in (value ?? {})))
  ) {
    throw new DatasetFault("invalid", `${file} is written in a form that cannot be changed in place.`, {
      field: file,
      mend: "Write its output as one `key: value` on each line, as DVC does.",
    });
  }
  return output;
}

function pairOf(output: OutputMap, key: Key): Pair<Scalar, Scalar | null> | undefined {
  return output.items.find((pair) => pair.key.value === key);
}

function replaced(value: Scalar, by: string): Edit {
  const [start, end] = value.range ?? [0, 0];
  return { start, end, by };
}

/** The whole line of a key that is not the first of its output. */
function removed(text: string, { key }: Pair<Scalar, Scalar | null>): Edit {
  const start = text.lastIndexOf("\n", key.range?.[0] ?? 0) + 1;
  const end = text.indexOf("\n", start) + 1;
  return { start, end: end === 0 ? text.length : end, by: "" };
}

/** A line after the output's last one. */
function appended(text: string, output: OutputMap, line: string): Edit {
  const last = output.items.at(-1);
  const lastKeyAt = last?.key.range?.[0] ?? 0;
  // A mapping's range ends where the next line begins.
  const lastEnd = text.slice(0, last?.value?.range?.[1] ?? lastKeyAt).trimEnd().length;
  const lineEnd = text.indexOf("\n", lastEnd);
  const at = lineEnd < 0 ? text.length : lineEnd;
  const indent = lastKeyAt - (text.lastIndexOf("\n", lastKeyAt) + 1);
  return { start: at, end: at, by: `\n${" ".repeat(indent)}${line}` };
}
