/**
 * Names that MLflow takes, made from any name, reversibly.
 *
 * MLflow takes letters, digits and `_ - . : / space` in keys, at most 250 characters, and only names that are their
 * own normal form as a path. Any other character becomes `_0xHH_`, its code point in hexadecimal: `loss@5` is shown
 * as `loss_0x40_5`. So do dots and slashes that would make a path change (a leading, trailing or double slash, a
 * segment `.` or `..`), and the underscore that begins something that looks like such an escape already. The empty
 * name is `_0x_`. A name too long is cut and ends in `_0xh<20 hex digits of its SHA-256>_`. Two names never meet.
 */

import { sha256 } from "./text.ts";

const LONGEST_KEY = 250;
/** Prefix of the run tag that keeps a renamed key's original. */
export const ORIGINAL_TAG = "pipekit.key.";
/** A renamed key leaves room for that prefix. */
const LONGEST_RENAMED = LONGEST_KEY - ORIGINAL_TAG.length;

/** What MLflow and its stores keep as it is in keys. */
const KEY_CHARACTER = /[\p{L}\p{N}_\-.:/ ]/u;
/**
 * What the artifact proxy keeps as it is in paths: it undoes percent escapes until nothing changes and then takes
 * the path apart as a URL.
 */
const PATH_CHARACTER = /[^#%?\\\p{Cc}\p{Cs}]/u;

/** The key under which MLflow shows `key`: of a metric, a param or a tag. */
export function mlflowKey(key: string): string {
  const escaped = escapeName(key, KEY_CHARACTER);
  const length = [...escaped].length;
  if (escaped === key ? length <= LONGEST_KEY : length <= LONGEST_RENAMED) return escaped;
  const suffix = `_0xh${sha256(key).slice(0, 20)}_`;
  return [...escaped].slice(0, LONGEST_RENAMED - suffix.length).join("") + suffix;
}

/** The path under which the artifact proxy keeps a file. */
export function artifactPath(path: string): string {
  return escapeName(path, PATH_CHARACTER);
}

function escapeName(name: string, legal: RegExp): string {
  if (name === "") return "_0x_";
  const characters = [...name];
  const kept = characters.map((character, index) => {
    if (!legal.test(character)) return false;
    if (character === "/") return index > 0 && index < characters.length - 1 && characters[index - 1] !== "/";
    return !(character === "." && inDotSegment(characters, index));
  });
  return characters
    .map((character, index) => {
      const keep = kept[index] && !(character === "_" && beginsEscape(characters, kept, index));
      return keep ? character : escapeOf(character);
    })
    .join("");
}

function escapeOf(character: string): string {
  return `_0x${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}_`;
}

/** Whether the dot belongs to a segment `.` or `..`, or begins a name that starts with two dots. */
function inDotSegment(characters: readonly string[], index: number): boolean {
  let from = index;
  while (from > 0 && characters[from - 1] !== "/") from--;
  let to = index + 1;
  while (to < characters.length && characters[to] !== "/") to++;
  const segment = characters.slice(from, to).join("");
  return segment === "." || segment === ".." || (index === 0 && characters[1] === ".");
}

/** Whether the underscore with what follows would read as an escape, be it that an escape's underscore ends it. */
function beginsEscape(characters: readonly string[], kept: readonly boolean[], index: number): boolean {
  if (characters[index + 1] !== "0" || characters[index + 2] !== "x") return false;
  let end = index + 3;
  while (end < characters.length && /[0-9A-Fa-fh]/.test(characters[end] ?? "")) end++;
  return end < characters.length && (characters[end] === "_" || kept[end] === false);
}
