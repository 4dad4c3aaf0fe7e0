import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inLanguage } from "../../daemon/editor/references/language.ts";
import type { SourceFile, SourceLanguage, TextEdit } from "../../daemon/editor/references/reference.ts";
import { EditedSource } from "../../daemon/editor/references/source.ts";
import { certainIn, checkSpans, opened } from "./references-support.ts";

const PYTHON = `import pipekit_experiment as pe

TAG = "production"


class Trainer:
    registry = pe.LocalModelRegistry("/srv/models")

    def __init__(self, name="x"):
        self.other = pe.S3ModelRegistry("bucket", prefix="team/")

    def run(self):
        with pe.start_run("train", sinks=["mlflow"]) as run:
            text = """
registry.load("no")
"""
            self.registry.load(TAG)  # pipekit: production@7
        return self.other.tag("abcdef1234", name='candidate')


if __name__ == "__main__":
    Trainer().run()
`;
const TYPESCRIPT = `import { connect } from "@pipekit/experiment";

const client = await connect();
const registry = client.registry("s3://b/x/");
const pattern = /["'\`]/g;

export class Server {
  readonly #own = client.registry();

  async run({ tag }: Options) {
    const text = \`\${await registry.load("production")} and
const x = "no"\`;
    await this.#own.load("candidate~1", { toFile: "x" }); // pipekit: candidate@2
    return client.getRun('01ARZ3NDEKTSV4RRFFQ69G5FAV');
  }
}

export const view = (x: number) => registry.history("production");
`;
const YAML = `module: pipekit_experiment.operators
class: ModelRef
config:
  ref: production # pipekit: production@7
  registry: "s3://b/x/"
steps:
- {model_ref: "a1", run_id: 01ARZ3NDEKTSV4RRFFQ69G5FAV}
- text: |
    ref: no
  model_tag: candidate
---
ref: two
`;
const FILES: readonly [SourceLanguage, string][] = [
  ["python", PYTHON],
  ["typescript", TYPESCRIPT],
  ["typescriptreact", TYPESCRIPT],
  ["javascript", TYPESCRIPT],
  ["yaml", YAML],
];

/** What edits put in: what breaks code above all. */
const piece = fc.oneof(
  fc.constantFrom(
    ...[
      '"',
      "'",
      '"""',
      "`",
      "${",
      "}",
      "(",
      ")",
      "[",
      "{",
      "\n",
      "\r\n",
      "\r",
      "  ",
      "\t",
      "#",
      "//",
      "/*",
      "*/",
      "\\",
      "/",
    ],
    ...[
      "def f():\n",
      "class A:\n",
      "const a = ",
      "- ",
      "ref: ",
      "---\n",
      "|\n",
      "\ufeff",
      "\0",
      "\ud800",
      "\u{1F600}",
      ":",
      ",",
    ],
    ...['registry.load("x")\n', "@x\n", "import a\n", "f'{", "<p>", "</p>", "&a ", "? ", "else:\n"],
  ),
  fc.string({ unit: "binary", maxLength: 4 }),
);
/** An edit by shares of the text's length, which is known when it is made. */
const change = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat(12),
  insert: piece,
});

function editOf(
  text: string,
  { at, length, insert }: { at: number; length: number; insert: string },
): TextEdit {
  const from = Math.floor(at * text.length);
  return { from, to: Math.min(text.length, from + length), insert };
}

describe.each(FILES)("%s that is edited", (language, file) => {
  test("reads as it would read anew, however broken it is on the way", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(change, fc.boolean()), { minLength: 1, maxLength: 12 }),
        async (changes) => {
          const source = opened(language, file);
          await source.outline();
          for (const [one, isRead] of changes) {
            source.edit([editOf(source.text, one)]);
            if (isRead) checkSpans(source.text, await source.outline());
          }
          const fresh = opened(language, source.text);
          expect(await source.outline()).toEqual(await fresh.outline());
          const offset = Math.floor(source.text.length / 2);
          expect(await source.slotAt(offset)).toEqual(await fresh.slotAt(offset));
          const end = await source.lineEnd(offset);
          expect(source.text.slice(offset, end.at)).not.toMatch(/[\r\n]/);
        },
      ),
      { numRuns: 150 },
    );
  });

  test("any text is read", async () => {
    const texts = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(""));
    await fc.assert(
      fc.asyncProperty(texts, async (text) => checkSpans(text, await opened(language, text).outline())),
      { numRuns: 200 },
    );
  });

  test("an edit undone gives what was there", async () => {
    const source = opened(language, file);
    const before = await source.outline();
    for (let at = 0; at < file.length; at += 7) {
      source.edit([{ from: at, to: at, insert: '"(' }]);
      await source.outline();
      source.edit([{ from: at, to: at + 2, insert: "" }]);
    }
    expect(source.text).toBe(file);
    expect(await source.outline()).toEqual(before);
  });
});

describe("while it is read", () => {
  const long = PYTHON.repeat(200);

  test("an edit throws away what was read of the text before", async () => {
    const source = opened("python", long);
    const reading = source.outline();
    await Promise.resolve();
    source.edit([{ from: 0, to: source.text.length, insert: 'registry.load("other")' }]);
    expect((await reading).references.map(({ text }) => text)).toEqual(["other"]);
  });

  const merging: readonly [before: string, typed: string, after: string][] = [
    ["if a:\n    b\nels", "e", ":\n    registry.load('x')\n"],
    ["a = 1\n# c\nd", "'''e", "f\nregistry.load('x') # '''\n"],
    ["def f():\n    a\n  ", "  ", "registry.load('x')\n"],
  ];
  test.each(merging)("a statement may grow by what is typed behind it: %j", async (before, typed, after) => {
    const source = opened("python", before + after);
    await source.outline();
    source.edit([{ from: before.length, to: before.length, insert: typed }]);
    expect(await source.outline()).toEqual(await opened("python", source.text).outline());
  });

  test("several edits at once are made one after another", async () => {
    const source = opened("python", 'registry.load("a")');
    source.edit([
      { from: 15, to: 16, insert: "production" },
      { from: 15, to: 18, insert: "re" },
    ]);
    expect(source.text).toBe('registry.load("reduction")');
    expect((await source.outline()).references.map(({ text }) => text)).toEqual(["reduction"]);
  });

  test("others get their turn, and a signal ends the waiting", async () => {
    const source = opened("python", long);
    const abort = new AbortController();
    const reading = source.outline(abort.signal);
    const reason = new Error("no longer asked for");
    void setImmediate().then(() => abort.abort(reason));
    await expect(reading).rejects.toBe(reason);
    await expect(source.slotAt(0, abort.signal)).rejects.toBe(reason);
    expect((await source.outline()).references.length).toBeGreaterThan(500);
  });

  test("one who leaves does not take it from the others", async () => {
    const source = opened("python", long);
    const abort = new AbortController();
    const left = source.outline(abort.signal);
    const stays = source.outline();
    abort.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    expect((await stays).references.length).toBeGreaterThan(500);
  });
});

describe("what is read again", () => {
  /** A file of many statements, and how many of them were read. */
  function counted(): { readonly source: SourceFile; readonly read: () => number } {
    let count = 0;
    const source = inLanguage("python", (language): SourceFile => {
      const reader = (text: string) => {
        count += 1;
        return language.reader(text);
      };
      return new EditedSource({ ...language, reader }, PYTHON.repeat(200));
    });
    return { source, read: () => count };
  }

  test("is what an edit touches", async () => {
    const { source, read } = counted();
    await source.outline();
    for (const at of [1, Math.floor(source.text.length / 2), source.text.length - 1]) {
      const before = read();
      source.edit([{ from: at, to: at, insert: "x" }]);
      await source.outline();
      expect(read() - before).toBeLessThanOrEqual(3);
    }
  });

  test("is not what was read before the first reading was broken off", async () => {
    const { source, read } = counted();
    const reading = source.outline();
    while (read() < 100) await setImmediate();
    const before = read();
    source.edit([{ from: source.text.length, to: source.text.length, insert: "x = 1\n" }]);
    await reading;
    const fresh = counted();
    await fresh.source.outline();
    expect(read()).toBeLessThan(fresh.read() + 5);
    expect(before).toBeGreaterThanOrEqual(100);
  });
});

describe("what is large or deep", () => {
  const deep = 100_000;
  const texts: readonly [name: string, language: SourceLanguage, text: string][] = [
    ["brackets", "python", `x = ${"[".repeat(deep)}\nregistry.load("a")\n`],
    ["calls", "python", `${"f(".repeat(deep)}"a"${")".repeat(deep)}`],
    ["attributes", "python", `x${".a".repeat(deep)}.load("a")`],
    ["brackets", "typescript", `x = ${"[{a:(".repeat(deep / 3)}`],
    ["patterns", "typescript", `const ${"[".repeat(deep)}`],
    ["templates", "typescript", "`${".repeat(deep / 2)],
    ["awaits", "typescript", `x = ${"await ".repeat(deep)}y`],
    ["flow", "yaml", "[".repeat(deep)],
    ["flow mappings", "yaml", "{a: ".repeat(deep / 2)],
    ["one long line", "python", `x = [${'"a1", '.repeat(170_000)}]`],
    ["one long string", "python", `x = "${"a".repeat(1_000_000)}`],
    ["one long line", "typescript", `x = [${'"a1", '.repeat(170_000)}]`],
    ["one long line", "yaml", `x: [${"a1, ".repeat(250_000)}]`],
  ];
  test.each(texts)("%s of %s", async (_, language, text) => {
    const source = opened(language, text);
    checkSpans(text, await source.outline());
    source.edit([{ from: text.length, to: text.length, insert: "\n" }]);
    await source.outline();
  });

  test("what stands behind brackets that were never closed is read", async () => {
    const text = `x = ${"[".repeat(1000)}\ndef f():\n    registry.load("a")\n`;
    expect(await certainIn("python", text)).toEqual(["model a"]);
  });
});
