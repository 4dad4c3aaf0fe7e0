import { parseConfig } from "@pipekit/adapters/hydra";
import { describe, expect, test } from "vitest";

const parse = (text: string, env: { [name: string]: string } = {}, hydraJson = "") =>
  parseConfig({ text, env, hydraJson });

/** The text of a range, by lines and UTF-16 units as an editor cuts it. */
function cut(text: string, { start, end }: { start: Place; end: Place }): string {
  const lines = text.split("\n");
  if (start.line === end.line) return (lines[start.line] ?? "").slice(start.character, end.character);
  const inner = lines.slice(start.line + 1, end.line);
  const first = (lines[start.line] ?? "").slice(start.character);
  return [first, ...inner, (lines[end.line] ?? "").slice(0, end.character)].join("\n");
}

interface Place {
  readonly line: number;
  readonly character: number;
}

const TEXT = `# composed
model:
  _target_: nets.Conv
  sizes: [1, "\u{1F600}", '\${lr}']
lr: 1e-3
"\u{1F600}k": {x: \u00e4, y: "\${.x}!"}
name: ???
shared: &s
  deep: 1
copy: *s
more:
  <<: *s
  own: |
    two
    lines
`;

describe("nodes", () => {
  test("stand in the order of the text with key, value and resolved value", () => {
    const { nodes, problems } = parse(TEXT);
    const rows = nodes.map(({ path, kind, key, value, resolvedJson, target }) => [
      path,
      kind,
      key === undefined ? "" : cut(TEXT, key),
      kind === "mapping" || kind === "sequence" ? "" : cut(TEXT, value),
      resolvedJson,
      target,
    ]);
    expect(rows).toEqual([
      ["", "mapping", "", "", "", ""],
      ["model", "mapping", "model", "", "", "nets.Conv"],
      ["model._target_", "scalar", "_target_", "nets.Conv", '"nets.Conv"', ""],
      ["model.sizes", "sequence", "sizes", "", "", ""],
      ["model.sizes[0]", "scalar", "", "1", "1", ""],
      ["model.sizes[1]", "scalar", "", '"\u{1F600}"', '"\u{1F600}"', ""],
      ["model.sizes[2]", "interpolation", "", "'${lr}'", "0.001", ""],
      ["lr", "scalar", "lr", "1e-3", "0.001", ""],
      ["\u{1F600}k", "mapping", '"\u{1F600}k"', "", "", ""],
      ["\u{1F600}k.x", "scalar", "x", "\u00e4", '"\u00e4"', ""],
      ["\u{1F600}k.y", "interpolation", "y", '"${.x}!"', '"\u00e4!"', ""],
      ["name", "missing", "name", "???", "", ""],
      ["shared", "mapping", "shared", "", "", ""],
      ["shared.deep", "scalar", "deep", "1", "1", ""],
      ["more", "mapping", "more", "", "", ""],
      ["more.own", "scalar", "own", "|\n    two\n    lines\n", '"two\\nlines\\n"', ""],
    ]);
    expect(problems).toMatchObject([{ code: "missing", path: "name", isError: false }]);
  });

  test("characters are UTF-16 units, and lines end at CRLF, too", () => {
    const { nodes } = parse("'\u{1F600}': 1\r\nb: x");
    expect(nodes.slice(1).map(({ key, value }) => [key?.end, value.start])).toEqual([
      [
        { line: 0, character: 4 },
        { line: 0, character: 6 },
      ],
      [
        { line: 1, character: 1 },
        { line: 1, character: 3 },
      ],
    ]);
  });

  test("a whole config is one JSON document", () => {
    const { resolvedJson } = parse(TEXT);
    expect(JSON.parse(resolvedJson)).toEqual({
      model: { _target_: "nets.Conv", sizes: [1, "\u{1F600}", 0.001] },
      lr: 0.001,
      "\u{1F600}k": { x: "\u00e4", y: "\u00e4!" },
      name: "???",
      shared: { deep: 1 },
      copy: { deep: 1 },
      more: { deep: 1, own: "two\nlines\n" },
    });
    expect(parse("a: 1.0\nb: 1\nc: 1e400").resolvedJson).toBe('{"a": 1.0, "b": 1, "c": "inf"}');
  });
});

describe("problems", () => {
  const told = (text: string, env = {}, hydraJson = "") =>
    parse(text, env, hydraJson).problems.map(({ code, path, isError, message, range }) => ({
      code,
      path,
      isError,
      message,
      at: cut(text, range),
    }));

  test.each([
    ["a: 1\n'a': 2", "duplicate_key", "a", "'a'"],
    ["a:\n  b: ${nope.x}", "interpolation", "a.b", "${nope.x}"],
    ["a: ${b}\nb: x${c}\nc: ${a}", "cycle", "a", "${b}"],
    ["a:\n  <<: 5", "merge", "a", "5"],
    ["a: [*q]", "alias", "a[0]", "*q"],
    ["a: &q {b: *q}", "cycle", "a.b", "*q"],
    ["a: !!python/object:os.system x", "tag", "a", "x"],
    ["m:\n  _target_: 5", "target", "m._target_", "5"],
    ["m:\n  _target_: ..x", "target", "m._target_", "..x"],
    ["m:\n  _target_: p.C\n  _args_: {}", "target", "m._args_", "{}"],
    ["m:\n  _target_: p.C\n  _partial_: 'yes'", "target", "m._partial_", "'yes'"],
    ["m:\n  _target_: p.C\n  _recursive_: 1", "target", "m._recursive_", "1"],
    ["m:\n  _target_: p.C\n  _convert_: some", "target", "m._convert_", "some"],
  ])("%j", (text, code, path, at) => {
    const found = told(text);
    expect(found[0]).toMatchObject({ code, path, at, isError: true });
    expect(found[0]?.message).toContain(`\`${path}\``);
  });

  test("name what an unresolvable value leads to, and the circle", () => {
    expect(told("a: ${b}\nb: ${c.d}\nc: {e: 1}").map(({ message }) => message)).toEqual([
      "`a` leads to `b`, which points to `c.d`, which is not there.",
      "`b` points to `c.d`, which is not there.",
    ]);
    expect(told("a: ${b}\nb: ${a}")[0]?.message).toBe("`a` runs in a circle: `a` -> `b` -> `a`.");
    expect(told("a:\n  x: ${b}\nb:\n  y: ${a}").map(({ code, message }) => [code, message])).toEqual([
      ["cycle", "`a.x` runs in a circle: `b.y` -> `b` holds itself."],
      ["cycle", "`b.y` runs in a circle: `a.x` -> `a` holds itself."],
    ]);
    expect(told("a:\n  x: ???\nb: ${a.x}")).toMatchObject([
      { code: "missing", path: "a.x", isError: false },
      {
        code: "interpolation",
        path: "b",
        isError: true,
        message: "`b` points to `a.x`, and `a.x` is `???`.",
      },
    ]);
  });

  test("what only the app can tell is no error, and its text stays", () => {
    const text = "a: ${mine:1}\nb: ${now:%Y}\nc: ${hydra:job.name}\nd: x${a}";
    expect(told(text).map(({ code, isError }) => [code, isError])).toEqual(
      Array(4).fill(["resolver", false]),
    );
    expect(JSON.parse(parse(text).resolvedJson)).toEqual({
      a: "${mine:1}",
      b: "${now:%Y}",
      c: "${hydra:job.name}",
      d: "x${a}",
    });
  });

  test("hydra_json is what ${hydra:...} reads, with references of its own", () => {
    const hydra = '{"job": {"name": "train", "id": "${hydra.job.name}-${lr}"}, "none": "???"}';
    const { resolvedJson, problems } = parse(
      "lr: 0.5\na: ${hydra:job.id}\nb: ${hydra:nope.x}\nc: ${hydra:none}\nd: ${hydra:job}",
      {},
      hydra,
    );
    expect(JSON.parse(resolvedJson)).toEqual({
      lr: 0.5,
      a: "train-0.5",
      b: null,
      c: null,
      d: { name: "train", id: "train-0.5" },
    });
    expect(problems).toEqual([]);
    expect(() => parse("a: 1", {}, "[]")).toThrow(/hydra_json is no JSON object/);
  });

  test("a secret is kept as its reference, however it is reached", () => {
    const env = { API_TOKEN: "hunter2", HOST: "example.org" };
    const text = [
      "a: ${oc.env:API_TOKEN}",
      "b: https://u:${oc.env:API_TOKEN}@${oc.env:HOST}",
      "c: ${b}",
      "d: ${oc.decode:${a}}",
      "n: API_TOKEN",
      "e: ${oc.env:${n},none}",
      "f: {g: '${oc.dict.values:h}'}",
      "h: {i: '${a}'}",
      "j: ${oc.select:a,x}",
      "k: ${oc.env:HOST}",
      "l: '${oc.create:[\"${a}\"]}'",
      "m: '${h}'",
    ].join("\n");
    const { resolvedJson, problems, nodes } = parse(text, env);
    expect(JSON.stringify({ resolvedJson, problems, nodes })).not.toContain("hunter2");
    expect(JSON.parse(resolvedJson)).toMatchObject({
      a: "${oc.env:API_TOKEN}",
      b: "https://u:${oc.env:API_TOKEN}@${oc.env:HOST}",
      c: "${b}",
      d: "${oc.decode:${a}}",
      e: "${oc.env:${n},none}",
      j: "${oc.select:a,x}",
      k: "example.org",
      m: { i: "${a}" },
    });
    expect(problems.every(({ code, isError }) => code === "secret" && !isError)).toBe(true);
  });
});
