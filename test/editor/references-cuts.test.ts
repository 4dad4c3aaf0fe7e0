import { readdirSync, readFileSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import type { Cut } from "../../daemon/editor/references/cut.ts";
import { languageOf } from "../../daemon/editor/references/index.ts";
import { inLanguage, type Language } from "../../daemon/editor/references/language.ts";
import type { Outline, SourceLanguage } from "../../daemon/editor/references/reference.ts";
import { EditedSource } from "../../daemon/editor/references/source.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const IDS: Readonly<Record<string, string>> = { ".py": "python", ".ts": "typescript", ".yaml": "yaml" };

function cutsOf(language: SourceLanguage, text: string): string[] {
  return inLanguage(language, ({ cuts }) => [...cuts(text, 0)].map(({ from, to }) => text.slice(from, to)));
}

describe("a statement is not cut", () => {
  const whole: readonly [SourceLanguage, string][] = [
    ["python", 'x = """\ndef f():\n"""\n'],
    ["python", "x = '''a\\'''\nb\n'''\n"],
    ["python", "f(\na,\nb)\n"],
    ["python", "x = [\n1,\n]\n"],
    ["python", "x = 1 + \\\n2\n"],
    ["python", 'x = "a\\\nb"\n'],
    ["python", "if a:\n  b\n# c\nelif d:\n  e\nelse:\n  f\n"],
    ["python", "try:\n  b\nexcept A:\n  e\nfinally:\n  f\n"],
    ["python", "x = {'a': \"'\", # '\n'b': 1}\n"],
    ["typescript", "const x = `\nconst y\n${`\nconst z`}\nlet a`;\n"],
    ["typescript", "const x =\n1;\n"],
    ["typescript", "foo\n.then()\n"],
    ["typescript", "f(\na,\nb\n)\n"],
    ["typescript", "if (a) {\n}\nelse {\n}\n"],
    ["typescript", "const z = 1; /*\nconst a\n*/\n"],
    ["typescript", "const a = /[/`\"']/.test(b) / c;\n"],
    ["typescript", "const a = b ? /`/ : /\\//g;\n"],
    ["typescriptreact", "const a = <p>\nDon't\n`</p>`;\n"],
    ["yaml", "a:\n- b\n- c\n"],
    ["yaml", "a: |\n  b\n\n  c\n# d\n  e: 1\n"],
    ["yaml", "{\n  a: 1\n}\n"],
  ];
  test.each(whole)("%s: %j", (language, text) => {
    expect(cutsOf(language, text)).toEqual([text]);
    expect(cutsOf(language, `${text}${text}`)).toEqual([text, text]);
  });
});

describe("cuts do not change what is found", () => {
  const folders = [
    "clients/python/src",
    "clients/python/tests",
    "clients/typescript/src",
    "daemon/registry",
    "test/registry",
  ];
  const files = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter(
        (entry) => entry.isFile() && extname(entry.name) in IDS && !entry.parentPath.includes("_generated"),
      )
      .map((entry) => join(entry.parentPath, entry.name)),
  );

  test.each(folders)("in the files of %s", async (folder) => {
    const within = files.filter((path) => path.startsWith(`${join(ROOT, folder)}/`));
    expect(within.length).toBeGreaterThan(10);
    for (const path of within) {
      const language = languageOf(IDS[extname(path)] ?? "");
      const text = readFileSync(path, "utf8");
      if (language === undefined) continue;
      const found = await inLanguage(language, (read) => new EditedSource(read, text)).outline();
      const uncut = await inLanguage(language, (read) => new EditedSource(withoutCuts(read), text)).outline();
      expect(places(found), path).toEqual(places(uncut));
    }
  });
});

function withoutCuts<F>(language: Language<F>): Language<F> {
  return {
    ...language,
    *cuts(text): Generator<Cut> {
      yield { from: 0, to: text.length, indent: 0, opens: undefined };
    },
  };
}

function places({ references, calls }: Outline): string[] {
  return [
    ...references.map(({ kind, text, span }) => `${kind} ${text} at ${span.from}`),
    ...calls.map(({ kind, span }) => `${kind} at ${span.from}`),
  ];
}
