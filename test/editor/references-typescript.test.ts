import { describe, expect, test } from "vitest";
import { callsIn, certainIn, opened, referencesIn, slotIn } from "./references-support.ts";

const RUN = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const IMPORT = 'import { connect } from "@pipekit/experiment";\n';

describe("where a call names a model, a tag or a run", () => {
  const cases: readonly [code: string, ...found: string[]][] = [
    ['registry.load("production")', "model production"],
    ["await registry.load('production', { toFile: \"a.bin\" });", "model production"],
    ["registry.load(`production`)", "model production"],
    ['registry?.loadWeights("production~1")', "model production~1"],
    ['this.#registry.stat("production")', "model production"],
    ['options.registry!.resolve("production")', "model production"],
    ['(await getRegistry()).x; modelRegistry.resolve("production")', "model production"],
    ['registry.tag("abcdef12", "production", { force: true })', "model abcdef12", "tag production"],
    [
      'registry.tag(hash, "production", { expectedHash: "abcdef12", reason: "better" })',
      "tag production",
      "model abcdef12",
    ],
    ['for await (const m of registry.history("production")) {}', "tag production"],
    ['registry.rollback("production", { steps: 2 })', "tag production"],
    ['registry.deleteTag("production")', "tag production"],
    ['registry.watchTag("production", { afterSeq })', "tag production"],
    ['registry.pin("production"); registry.unpin("production")', "model production", "model production"],
    ['registry.verify(["a1", "b2"], { quick: true })', "model a1", "model b2"],
    ['registry.diff("a1", "b2")', "model a1", "model b2"],
    ['registry.copyTo("s3://b/x/", { refs: ["a1"] })', "model a1"],
    [`registry.store({ operator, name: "candidate", runId: "${RUN}" })`, "tag candidate", `run ${RUN}`],
    [`${IMPORT}client.getRun("${RUN}")`, `run ${RUN}`],
    [`${IMPORT}client.startRun({ name: "train", runId: "${RUN}" })`, `run ${RUN}`],
    [`${IMPORT}client.watchRuns(["${RUN}"])`, `run ${RUN}`],
    ['client.registry("s3://b/x/").load("production")', "model production in s3://b/x/"],
    ['(await connect()).registry().load("production")', "model production in the daemon's own"],
    ['const f = () => registry.load("production") as Promise<X>', "model production"],
    ['registry\n  .load("production")\n  .then((x) => x)', "model production"],
    ['if (a) { while (b) { registry.load("production") } }', "model production"],
    ["const t = `a ${await registry.load('production')}`", "model production"],
    ['registry.load(/* which */ "production" /* , */)', "model production"],
  ];
  test.each(cases)("%s", async (code, ...found) => {
    for (const language of ["typescript", "typescriptreact"] as const) {
      expect(await certainIn(language, code)).toEqual(found);
    }
    // JavaScript has no types.
    if (!/ as |!\./.test(code)) expect(await certainIn("javascript", code)).toEqual(found);
  });

  test("only where the receiver is a registry, and the client is imported", async () => {
    expect(await referencesIn("typescript", 'JSON.load("a1"); path.resolve("models")')).toEqual([]);
    expect(await referencesIn("typescript", 'import x from "x";\nx.load("production")')).toEqual([]);
    expect(await certainIn("typescript", `client.getRun("${RUN}")`)).toEqual([]);
    expect(await certainIn("typescript", `import { github } from "y";\ngithub.getRun("${RUN}")`)).toEqual([]);
  });
});

describe("the registry that is meant", () => {
  test("is that of the scope", async () => {
    const code = `${IMPORT}const SPEC = "s3://b/x/";
const registry = client.registry(SPEC);
class A {
  readonly #own = client.registry("local:/own");
  constructor(private readonly other: Registry) {
    this.mine = client.registry("local:/mine");
  }
  f(registry: Registry) {
    registry.load("one");
    this.#own.load("two");
    this.mine.load("three");
  }
}
function g({ registry }: Options) {
  registry.load("four");
  const models = client.registry("local:/models");
  const again = () => {
    const models = client.registry(name);
    return models.load("five");
  };
  models.load("six");
}
registry.load("seven");
test("x", async () => {
  await using own = client.registry();
  own.load("eight");
});
own.load("nine");
`;
    expect(await certainIn("typescript", code)).toEqual([
      "model one",
      "model two in local:/own",
      "model three in local:/mine",
      "model four",
      "model five",
      "model six in local:/models",
      "model seven in s3://b/x/",
      "model eight in the daemon's own",
    ]);
  });

  test("is found in a CommonJS file", async () => {
    const code = `const { connect } = require("@pipekit/experiment");
const client = await connect();
const TAG = "production";
const found = client.registry("local:/a");
found.load(TAG); client.getRun("${RUN}");
`;
    expect(await certainIn("javascript", code)).toEqual(["model production in local:/a", `run ${RUN}`]);
  });
});

describe("strings", () => {
  const none: readonly string[] = [
    "registry.load(`production${x}`)",
    'registry.load("produc" + "tion")',
    'import "production";',
    'export * from "production";',
    'type T = "production" | "candidate";',
    'interface A { a: "production" }',
    'let a: "production";',
    '({ "production": 1 });',
    'row["production"]',
    "// registry.load('production')",
    "/* registry.load('production') */",
    "/registry.load('production')/",
    '"a production"',
  ];
  test.each(none)("none in %s", async (code) => {
    expect(await referencesIn("typescript", code)).toEqual([]);
  });

  test("elsewhere may be references", async () => {
    const code = `print("production", '${RUN}', \`v1.2\`); const a = { b: "abcdef1234" };`;
    expect(await referencesIn("typescript", code)).toEqual([
      "model? production",
      `run? ${RUN}`,
      "model? v1.2",
      "model? abcdef1234",
    ]);
  });

  const written: readonly [code: string, text: string, slice: string][] = [
    ['registry.load("pro\\x64\\u0064\\u{64}")', "proddd", "pro\\x64\\u0064\\u{64}"],
    ['registry.load("pro\\\nduction")', "production", "pro\\\nduction"],
    ["registry.load(`pro\nduction`)", "pro\nduction", "pro\nduction"],
    ["registry.load('it\\'s')", "it's", "it\\'s"],
    ['x = "\u{1F600}\ud800"; registry.load("production")', "production", "production"],
    ['x = /[`"\']/; registry.load("production")', "production", "production"],
    ["x = a / b / c; y = `${`}`}`; registry.load('production')", "production", "production"],
  ];
  test.each(written)("%s", async (code, text, slice) => {
    for (const whole of [
      code,
      `\ufeff${code}`,
      `#!/usr/bin/env node\r\n\tx\r\n${code}\r\n`,
      `a = \`\nconst b\n\`\n${code}`,
    ]) {
      const { references } = await opened("typescript", whole).outline();
      const certain = references.filter((one) => one.certain);
      expect(certain.map((one) => one.text)).toEqual([text]);
      expect(certain.map(({ span }) => whole.slice(span.from, span.to))).toEqual([slice]);
    }
  });

  test("text of JSX is none, and spoils nothing", async () => {
    const code = `const a = <p title="production">Don't "production" {registry.load("one")} \`</p>;
function B() {
  return <br />;
}
registry.load("two");
`;
    expect(await referencesIn("typescriptreact", code)).toEqual(["model one", "model two"]);
  });

  test("a comment tells where a pinned hash came from", async () => {
    const code = 'registry.load("abcdef12"); // pipekit: production@7\nregistry.load("abcdef12");\n';
    expect(await referencesIn("typescript", code)).toEqual([
      "model abcdef12 pinned from production@7",
      "model abcdef12",
    ]);
  });
});

test("calls that a lens stands over", async () => {
  const code = `${IMPORT}const NAME = "night";
const run = await client.startRun({ name: "train" });
await client.withRun({ name: NAME }, async (run) => registry.load("production"));
registry.store({ operator, name: "candidate" });
JSON.load("a");
`;
  expect(await callsIn("typescript", code)).toEqual([
    "start_run client.startRun train",
    "start_run client.withRun night",
    "load registry.load production",
    "store registry.store candidate",
  ]);
});

describe("what may be typed", () => {
  const cases: readonly [marked: string, slot: string | undefined][] = [
    ['registry.load("pro|', 'model "pro" of "pro"'],
    ['registry.load("|")', 'model "" of ""'],
    ["registry.load('pro|)", 'model "pro" of "pro"'],
    ["registry.load(`pro|`)", 'model "pro" of "pro"'],
    ['registry.tag(h, "pro|', 'tag "pro" of "pro"'],
    [`${IMPORT}client.getRun("01|`, 'run "01" of "01"'],
    [`${IMPORT}client.startRun({ sinks: ["|`, 'sink "" of ""'],
    [`${IMPORT}client.startRun({ runId: "01|" })`, 'run "01" of "01"'],
    ['client.registry("s3://b/x/").load("|', 'model "" of "" in s3://b/x/'],
    [`${IMPORT}client.registry("|`, 'registry "" of ""'],
    ['console.log("pro|', undefined],
  ];
  test.each(cases)("%s", async (marked, slot) => {
    expect(await slotIn("typescript", marked)).toEqual(slot);
    if (marked.includes("`")) return;
    const rest = '\n  const y = 1;\n}\nfunction g() {\n  return registry.load("a");\n}\n';
    const around = marked.replace(/([\s\S]*\n)?(.*)$/, `$1function f() {\n  $2${rest}`);
    expect(await slotIn("typescript", around), around).toEqual(slot);
  });

  test("a string that is being typed spoils nothing behind it", async () => {
    const code = `const registry = client.registry("local:/a");
function f() {
  registry.load("pro
  registry.load("one");
}
const x = registry.load(
export function g() {
  return registry.load("two");
}
`;
    expect(await certainIn("typescript", code)).toEqual(["model one in local:/a", "model two in local:/a"]);
  });
});
