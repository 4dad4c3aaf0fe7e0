import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CodeAction } from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import { HOUR, hashOf, model, move, NOW } from "./fake-view.ts";
import { type Bench, bench, file, never, whole } from "./features-support.ts";

const A = hashOf("3f2a91bc");
const B = hashOf("1b2c3d4e");
const PY = "import pipekit_experiment as pe\nregistry = pe.LocalModelRegistry('/srv/models')\n";
const TS = 'const registry = client.registry("local:/srv/models");\n';

function known(): Bench {
  const made = bench({ registry: "local:/srv/models" });
  made.view.models_ = [model(A), model(B)];
  made.view.tags_ = [move("production", A, { previousHash: B }), move("best", B, { seq: 2 })];
  return made;
}

async function actionsOf({ features }: Bench, languageId: string, text: string): Promise<CodeAction[]> {
  const open = file(languageId, text);
  return features.actions(open, whole(open), await features.diagnostics(open, never), never);
}

/** The text after the first action whose title begins so; undefined where there is none. */
async function applied(
  made: Bench,
  title: string,
  languageId: string,
  text: string,
): Promise<string | undefined> {
  const action = (await actionsOf(made, languageId, text)).find((one) => one.title.startsWith(title));
  const edits = action?.edit?.changes?.["file:///work/train"];
  // It throws where edits overlap.
  return edits && TextDocument.applyEdits(TextDocument.create("file:///x", languageId, 1, text), edits);
}

const PINNED = `# pipekit: production@7`;

describe("pin to hash", () => {
  test.each([
    ["python", `${PY}registry.load("production")\n`, `${PY}registry.load("${A}")  ${PINNED}\n`],
    [
      "python",
      `${PY}m = registry.load('production')  # note\n`,
      `${PY}m = registry.load('${A}')  # note  ${PINNED}\n`,
    ],
    [
      "typescript",
      `${TS}registry.load("production");`,
      `${TS}registry.load("${A}"); // pipekit: production@7`,
    ],
    ["yaml", "model_ref: production\r\nx: 1\r\n", `model_ref: ${A} ${PINNED}\r\nx: 1\r\n`],
    ["yaml", "model_ref: 'production' # why\n", `model_ref: '${A}' # why ${PINNED}\n`],
  ])("%s: %j", async (languageId, text, pinned) => {
    expect(await applied(known(), "Pin to hash 3f2a91bc", languageId, text)).toBe(pinned);
  });

  test.each([
    ["the line goes on in a string", "python", `${PY}x = registry.load("production"), """a\nb"""\n`],
    ["the line goes on", "python", `${PY}x = registry.load("production") + \\\n  1\n`],
    ["a template goes on", "typescript", `${TS}f(registry.load("production"), \`a\nb\`);\n`],
    ["the line names two models", "python", `${PY}f(registry.load("production"), registry.load("best"))\n`],
    ["the line has a pin", "python", `${PY}registry.load("production")  # pipekit: best@2\n`],
  ])("no comment where %s", async (_, languageId, text) => {
    expect(await applied(known(), "Pin to hash 3f2a91bc", languageId, text)).toBe(
      text.replace("production", A),
    );
  });

  test("unpinning gives the text as it was, whatever stands around", async () => {
    const made = known();
    const blank = fc.stringMatching(/^[ \t]{0,3}$/);
    const line = fc.record({
      indent: blank,
      quote: fc.constantFrom('"', "'"),
      behind: fc.constantFrom("", ";", ".operator", " # note", "  # é 😀", "  ", "\t"),
      end: fc.constantFrom("\n", "\r\n", ""),
      before: fc.constantFrom("", "x = 1\n", "s = '''a\n'''\r\n", "# production\n", "\ufeff"),
    });
    await fc.assert(
      fc.asyncProperty(line, fc.constantFrom("python", "typescript", "yaml"), async (parts, languageId) => {
        const { quote, end } = parts;
        const behind = languageId === "typescript" ? parts.behind.replace("#", "//") : parts.behind;
        const call = `registry.load(${quote}production${quote})`;
        const text =
          languageId === "yaml"
            ? `a:\n  model_ref: ${quote}production${quote}${behind.startsWith(" ") ? behind : ""}${end}`
            : `${languageId === "python" ? parts.before.replace("\ufeff", "") + PY : TS}x = ${call}${behind}${end}`;
        const pinned = await applied(made, "Pin to hash", languageId, text);
        expect(pinned).toContain(A);
        expect(pinned).toContain("pipekit: production@7");
        expect(await applied(made, "Unpin: use production", languageId, pinned ?? "")).toBe(text);
      }),
      { numRuns: 150 },
    );
  });
});

describe("quick fixes", () => {
  test("a mistyped tag", async () => {
    const made = known();
    const text = `${PY}registry.load("prodution")\n`;
    await actionsOf(made, "python", text);
    const [fix] = await actionsOf(made, "python", text);
    expect(fix).toMatchObject({ title: "Change to production", kind: "quickfix", isPreferred: true });
    expect(fix?.diagnostics?.[0]?.code).toBe("unknown-tag");
    expect(await applied(made, "Change to", "python", text)).toBe(`${PY}registry.load("production")\n`);
  });

  test("a stale pin", async () => {
    const made = known();
    made.view.tags_ = [move("production", A, { seq: 9 })];
    const text = `${PY}registry.load("${B}")  # why # pipekit: production@7 \n`;
    const [fix] = await actionsOf(made, "python", text);
    expect(fix).toMatchObject({ title: "Update the pin to 3f2a91bc (production@9)", kind: "quickfix" });
    expect(fix?.diagnostics?.[0]?.code).toBe("stale-pin");
    expect(await applied(made, "Update", "python", text)).toBe(
      `${PY}registry.load("${A}")  # why # pipekit: production@9 \n`,
    );
  });

  test("a tag that moved since the file was written: pin it", async () => {
    const made = known();
    made.view.tags_ = [move("production", A, { atUs: NOW - HOUR })];
    const open = file("python", `${PY}registry.load("production")\n`, NOW - 2 * HOUR);
    const found = await made.features.diagnostics(open, never);
    const [pin] = await made.features.actions(open, whole(open), found, never);
    expect(pin).toMatchObject({ kind: "quickfix", diagnostics: [{ code: "tag-moved" }] });
  });
});

describe("promote and roll back", () => {
  test("are offered with the tags that moved last, and another one", async () => {
    const made = known();
    const titles = async (text: string) => (await actionsOf(made, "python", text)).map(({ title }) => title);
    expect(await titles(`${PY}registry.load("production")\n`)).toEqual([
      "Pin to hash 3f2a91bc (production@7)",
      "Promote production to best…",
      "Promote production to another tag…",
      "Roll back production to 1b2c3d4e…",
    ]);
    expect(await titles(`${PY}registry.load("${A}")\n`)).toEqual([
      "Promote 3f2a91bc to best…",
      "Promote 3f2a91bc to another tag…",
    ]);
    expect(await titles(`${PY}registry.history("production")\n`)).toEqual([
      "Roll back production to 1b2c3d4e…",
    ]);
    expect(await titles(`${PY}print("hello")\n`)).toEqual([]);
  });

  test("are commands with one argument", async () => {
    const all = await actionsOf(known(), "python", `${PY}registry.load("production")\n`);
    expect(all.map(({ command }) => command && [command.command, ...(command.arguments ?? [])])).toEqual([
      undefined,
      ["pipekit.promote", { registry: "local:/srv/models", ref: "production", tag: "best" }],
      ["pipekit.promote", { registry: "local:/srv/models", ref: "production" }],
      ["pipekit.rollback", { registry: "local:/srv/models", tag: "production" }],
    ]);
  });
});
