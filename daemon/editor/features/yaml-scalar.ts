/** Writing a string where YAML has no quotes around it. */
import type { Span } from "../references/reference.ts";
import type { OpenFile } from "./feature.ts";

/** Plain scalars that YAML 1.1 or 1.2 reads as something other than a string, or that a comment or mapping would cut off. */
const NOT_PLAIN =
  /^(?:|~|null|true|false|yes|no|on|off|y|n|[-+.\d][-+.\d_:eE]*|0x[\da-f]+|0o?[0-7]+|\d+:[\d:.]+|\d{4}-\d\d?-\d\d?.*)$|^[-?:,[\]{}#&*!|>'"%@`]|: |:$| #|^\s|\s$/i;

/** The text to put in a span so that it is read as this string: quoted where YAML would take it for something else. */
export function scalar(file: OpenFile, { from, to }: Span, text: string): string {
  if (file.languageId !== "yaml" || file.source === undefined) return text;
  const before = file.source.text[from - 1] ?? "";
  const after = file.source.text[to] ?? "";
  const isQuoted = before === '"' || before === "'" || after === '"' || after === "'";
  return !isQuoted && NOT_PLAIN.test(text) ? JSON.stringify(text) : text;
}
