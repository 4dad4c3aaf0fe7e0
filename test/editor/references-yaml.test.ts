import { describe, expect, test } from "vitest";
import { opened, referencesIn, slotIn } from "./references-support.ts";

const RUN = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

describe("keys that name a model, a tag or a run", () => {
  const cases: readonly [text: string, ...found: string[]][] = [
    [
      "module: pipekit_experiment.operators\nclass: ModelRef\nconfig:\n  ref: production\n  registry: s3://b/x/\n",
      "model? pipekit_experiment.operators",
      "model? ModelRef",
      "model production in s3://b/x/",
    ],
    ["ref: production\nregistry: local:/a\n", "model production in local:/a"],
    ["registry: ''\nref: 'production'\n", "model production in the daemon's own"],
    ['a:\n- {ref: "production@7", registry: local:/a}\n', "model production@7 in local:/a"],
    ["encoder:\n  model_ref: production\n  lr: 0.1\n", "model production"],
    ["- model_tag: |-\n    production\n- model_ref: >\n    b2\n", "model production", "model b2"],
    [`resume: {run_id: ${RUN}}`, `run ${RUN}`],
    ["ref: main\n", "model? main"],
    ["tag: v1.2\nmodel: !!str resnet\n", "tag? v1.2", "model? resnet"],
    ["run_id: 17\n"],
    ["model_ref: ${model.ref}\n"],
    ["model_ref: &a production\nother: *a\n", "model production"],
    ["model_ref: two\n  lines\n"],
    ["production: {production: 1}\non: true\nx: 1.5\n"],
    [
      "a:\n  ref: one\n---\nregistry: local:/b\nref: two\n---\nref: three\n",
      "model? one",
      "model two in local:/b",
      "model? three",
    ],
    [
      "ref: production\nregistry:\n  _target_: x.S3ModelRegistry\n  bucket: b\n  region: null\n  poll_ms: 200\n",
      "model production in s3://b/models/?poll_ms=200",
      "model? x.S3ModelRegistry",
    ],
    ['{\n  "model_ref": "production",\n  "x": ["a1", 2]\n}\n', "model production", "model? a1"],
  ];
  test.each(cases)("%s", async (text, ...found) => {
    for (const whole of [text, `\ufeff${text}`, text.replaceAll("\n", "\r\n"), `# x\n\n${text}`]) {
      const sorted = (list: readonly string[]) => list.filter((one) => !/ b$/.test(one)).toSorted();
      expect(sorted(await referencesIn("yaml", whole))).toEqual(sorted(found));
    }
  });

  test("escapes, quotes and their spans", async () => {
    const text = "model_ref: \"pro\\x64\\u0064\"\nx:\n  model_tag: 'it''s'\n";
    const { references } = await opened("yaml", text).outline();
    expect(references.map((one) => [one.text, text.slice(one.span.from, one.span.to)])).toEqual([
      ["prodd", "pro\\x64\\u0064"],
      ["it's", "it''s"],
    ]);
  });

  test("a comment tells where a pinned hash came from", async () => {
    const text = "a:\n  model_ref: abcdef12 # pipekit: production@7\n  model_tag: abcdef12\n";
    expect(await referencesIn("yaml", text)).toEqual([
      "model abcdef12 pinned from production@7",
      "model abcdef12",
    ]);
  });
});

describe("what may be typed", () => {
  const cases: readonly [marked: string, slot: string | undefined][] = [
    ["ref: pro|", 'model "pro" of "pro"'],
    ["ref: pro|duction\nregistry: local:/a", 'model "pro" of "production" in local:/a'],
    ["a:\n  model_ref: |", 'model "" of ""'],
    ["a:\n  model_ref: |\n  registry: local:/a", 'model "" of "" in local:/a'],
    ['a:\n  ref: "pro|\n  x: 1\nb: 2', 'model "pro" of "pro"'],
    ["{ref: pro|", 'model "pro" of "pro"'],
    ["run_id: |", 'run "" of ""'],
    ["tag: pro|", 'tag "pro" of "pro"'],
    ["sinks:\n- ml|flow", 'sink "ml" of "mlflow"'],
    ["sinks: [a, b|]", 'sink "b" of "b"'],
    ["registry: s3|", 'registry "s3" of "s3"'],
    ["x: pro|", undefined],
    ["ref:|", undefined],
  ];
  test.each(cases)("%s", async (marked, slot) => {
    expect(await slotIn("yaml", marked)).toEqual(slot);
  });
});
