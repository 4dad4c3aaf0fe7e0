/**
 * Pinning: a tag is replaced by the hash that it leads to, and a comment at the end of the line keeps where the hash came
 * from: `registry.load("3f2a…")  # pipekit: production@7`. Unpinning is the way back, and gives the text as it was.
 */
import { PIN } from "../references/forms.ts";
import type { Reference, SourceFile, TextEdit } from "../references/reference.ts";
import type { OpenFile } from "./feature.ts";
import { scalar } from "./yaml-scalar.ts";

/** What a comment says of a pin: `production@7`. */
export interface PinOrigin {
  readonly name: string;
  readonly seq: number;
}

const SOMEWHERE = /(?:#|\/\/)[ \t]*pipekit:/;

/** Reads `production@7`; undefined for anything else. */
export function pinOrigin(text: string): PinOrigin | undefined {
  const [, name, seq] = /^(.+)@([1-9]\d{0,14})$/.exec(text) ?? [];
  return name === undefined ? undefined : { name, seq: Number(seq) };
}

/**
 * Puts the hash in place of the tag. There is no comment where it would be text of something else, where the line has one
 * of a pin already, or where it names several models, so that nobody could tell which one is meant.
 */
export async function pin(
  file: OpenFile,
  reference: Reference,
  hash: string,
  origin: PinOrigin,
  signal: AbortSignal,
): Promise<TextEdit[]> {
  const { source } = file;
  if (source === undefined) return [];
  const { span } = reference;
  const edits: TextEdit[] = [{ ...span, insert: scalar(file, span, hash) }];
  const end = await source.lineEnd(span.to, signal);
  const start = lineStart(source, span.to);
  const line = source.text.slice(start, end.at);
  const { references } = await source.outline(signal);
  const isAlone = references.every(
    (other) =>
      other.kind === "run" ||
      other.span.from === span.from ||
      other.span.to < start ||
      other.span.from > end.at ||
      !other.certain,
  );
  if (end.kind === "text" || !isAlone || SOMEWHERE.test(line)) return edits;
  const comment = `${separator(file)}${mark(file)} pipekit: ${origin.name}@${origin.seq}`;
  return [...edits, { from: end.at, to: end.at, insert: comment }];
}

/** Puts the tag back in place of the hash, and takes the comment away. */
export function unpin(file: OpenFile, reference: Reference, origin: PinOrigin): TextEdit[] {
  const { source } = file;
  if (source === undefined) return [];
  const comment = commentOf(source, reference);
  const edit = { ...reference.span, insert: scalar(file, reference.span, origin.name) };
  if (comment === undefined) return [edit];
  const before = separator(file);
  const isOurs = source.text.endsWith(before, comment.from);
  const from = isOurs ? comment.from - before.length : comment.from;
  return [edit, { from, to: comment.to, insert: "" }];
}

/** Puts another hash in place of the pinned one, and says in the comment where that one came from. */
export function repin(file: OpenFile, reference: Reference, hash: string, origin: PinOrigin): TextEdit[] {
  const { source } = file;
  const comment = source && commentOf(source, reference);
  if (comment === undefined) return [];
  const edit = { ...reference.span, insert: scalar(file, reference.span, hash) };
  return [edit, { ...comment, insert: `${mark(file)} pipekit: ${origin.name}@${origin.seq}` }];
}

/** Where the comment of a pin stands, from its mark to its last letter. */
function commentOf(source: SourceFile, { span }: Reference): { from: number; to: number } | undefined {
  const rest = /^[^\r\n]*/.exec(source.text.slice(span.to))?.[0] ?? "";
  const found = PIN.exec(rest);
  if (found === null) return undefined;
  const from = span.to + found.index;
  return { from, to: from + found[0].trimEnd().length };
}

function lineStart({ text }: SourceFile, offset: number): number {
  return Math.max(text.lastIndexOf("\n", offset - 1), text.lastIndexOf("\r", offset - 1)) + 1;
}

function isHashed({ languageId }: OpenFile): boolean {
  return languageId === "python" || languageId === "yaml";
}

function mark(file: OpenFile): string {
  return isHashed(file) ? "#" : "//";
}

/** Two blanks before a comment of Python, as its formatters have them. */
function separator({ languageId }: OpenFile): string {
  return languageId === "python" ? "  " : " ";
}
