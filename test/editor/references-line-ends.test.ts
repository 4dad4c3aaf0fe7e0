import { expect, test } from "vitest";
import type { SourceLanguage } from "../../daemon/editor/references/reference.ts";
import { opened } from "./references-support.ts";

/** What a comment at the end of the line of `|` would be. */
const CASES: readonly [language: SourceLanguage, marked: string, kind: string][] = [
  ["python", 'registry.load("a|")', "code"],
  ["python", 'registry.load("a|")  # why\n', "comment"],
  ["python", "# wh|y\n\nx = 1", "comment"],
  ["python", "|\n\nx = 1", "code"],
  ["python", 'registry.load(\n    "a|",\n    b)', "code"],
  ["python", 'x = registry.load("a|"), """\ntext\n"""', "text"],
  ["python", 'f(f"""{\nregistry.load("a|")\n}""")', "text"],
  ["python", 'x = registry.load("a|") + \\\n 1', "text"],
  ["python", 'registry.load("a|', "text"],
  ["python", "class A:\n  def f(self):\n    registry.load('a|')\n\n  def g(self): pass\n", "code"],
  ["typescript", 'registry.load("a|");\n', "code"],
  ["typescript", 'registry.load("a|"); // why\n', "comment"],
  ["typescript", "/* wh|y\n*/", "text"],
  ["typescript", 'f(registry.load("a|"), `\n`)', "text"],
  ["typescript", '`${\nregistry.load("a|")\n}`', "code"],
  ["typescriptreact", '<p>\n  {registry.load("a|")}\n</p>', "text"],
  ["typescriptreact", '<p>\n  {\n  registry.load("a|")\n  }\n</p>', "code"],
  ["typescriptreact", '<P\n  ref="a|"\n/>', "text"],
  ["yaml", "ref: a|\n", "code"],
  ["yaml", "ref: a|  # why\nb: 1\n", "comment"],
  ["yaml", 'ref: "a|"\nb: 1', "code"],
  ["yaml", "x:\n  ref: |\n    a|\n", "text"],
  ["yaml", 'ref: "a|\n  b"', "text"],
  ["yaml", "ref: a|\n  b\n", "text"],
  ["yaml", "x: {ref: a|,\n  b: 1}\n", "code"],
];

test.each(CASES)("%s: %s", async (language, marked, kind) => {
  const offset = marked.lastIndexOf("|");
  const text = marked.slice(0, offset) + marked.slice(offset + 1);
  for (const whole of [text, text.replaceAll("\n", "\r\n"), `\ufeff${text}`]) {
    const at = whole.length - text.length + offset;
    const around = whole.includes("\r")
      ? whole.indexOf(text.slice(offset - 1, offset + 1).replace("\n", "\r\n")) + 1
      : at;
    const end = await opened(language, whole).lineEnd(around);
    expect(end.kind).toBe(kind);
    expect(/^(?:$|[\r\n])/.test(whole.slice(end.at, end.at + 1))).toBe(true);
  }
});
