/** Configs, made at random, that often refer to each other. */
import fc from "fast-check";

const KEYS = ["a", "b", "c", "d-e", "0"];
const key = fc.constantFrom(...KEYS);

const path = fc
  .array(fc.tuple(key, fc.boolean()), { minLength: 1, maxLength: 3 })
  .map((steps) =>
    steps.map(([name, dotted], i) => (dotted ? `${i > 0 ? "." : ""}${name}` : `[${name}]`)).join(""),
  );
const relative = fc.tuple(fc.constantFrom("", "", ".", "..", "..."), path).map((parts) => parts.join(""));

const argument = fc.constantFrom(
  ..."1,1.5,-2e3,true,null,word,two words,'quoted','it\\'s',\"d\",[1, x],{k: 1},{},[],a:b,\\,,x\\ ,PLAIN,NOPE,inf".split(
    ",",
  ),
  "[1, [x, 'y']]",
  "{k: {l: [1]}}",
  "'${b}'",
  '"x${a}y"',
  "${c}",
  "\\\\",
);
const call = fc
  .tuple(
    fc.constantFrom(
      "oc.env",
      "oc.env",
      "oc.select",
      "oc.decode",
      "oc.create",
      "oc.dict.keys",
      "oc.dict.values",
    ),
    fc.oneof(
      { weight: 3, arbitrary: relative },
      { weight: 2, arbitrary: fc.constantFrom("PLAIN", "LOOKS", "DOTS", "NUMBER", "NOPE") },
      argument,
    ),
    fc.option(argument),
  )
  .map(([name, first, second]) => `\${${name}:${first}${second === null ? "" : `,${second}`}}`);
const reference = relative.map((name) => `\${${name}}`);
const nested = fc.tuple(path, path).map(([outer, inner]) => `\${${outer}.\${${inner}}}`);
const interpolation = fc.oneof(
  { weight: 6, arbitrary: reference },
  { weight: 3, arbitrary: call },
  { weight: 1, arbitrary: nested },
);
const literal = fc.constantFrom("x", " ", "\\", "\\\\", "\\${a}", "$", "é", "{", "}", "a.b");
const mixed = fc
  .array(fc.oneof(interpolation, literal), { minLength: 2, maxLength: 4 })
  .map((parts) => parts.join(""));

const leaf = fc.oneof(
  { weight: 4, arbitrary: interpolation },
  { weight: 2, arbitrary: mixed },
  { weight: 1, arbitrary: fc.constantFrom("???", "a", "b", "c", "it's", "a\nb\u200b\\") },
  {
    weight: 1,
    arbitrary: fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean()),
  },
  { weight: 1, arbitrary: fc.constant(null) },
);
const { tree } = fc.letrec<{ tree: unknown; map: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, depthIdentifier: "config" },
    leaf,
    tie("map"),
    fc.array(tie("tree"), { maxLength: 3 }),
  ),
  map: fc.dictionary(key, tie("tree"), { maxKeys: 3, noNullPrototype: true }),
}));

/** A config as JSON, which is YAML, too. */
export const config = fc
  .dictionary(key, tree, { minKeys: 2, maxKeys: 5, noNullPrototype: true })
  .map((value) => JSON.stringify(value));

const PIECES = [
  ..."0 1 7 08 9 _ + - . : , x 0x f 0b 0o e E inf nan .inf .NaN ~ null Null true Yes on OFF y n = <<".split(
    " ",
  ),
  "1e3",
  "1:30",
];
/** Plain scalars that may be numbers. */
export const scalar = fc
  .array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 4 })
  .map((pieces) => `a: ${pieces.join("")}`);

const TOKENS = [
  ..."${ } { [ ] , : . ' \" \\ $ \\\\ \\' \\${ a b c 1 -1.5 true null oc.env oc.decode oc.create PLAIN + @ ? | - é".split(
    " ",
  ),
  " ",
  "\n",
  "\t",
];
/** Texts of interpolation tokens in any order. */
export const tokens = fc
  .array(fc.constantFrom(...TOKENS), { minLength: 1, maxLength: 9 })
  .map((pieces) => JSON.stringify({ a: `\${${pieces.join("")}}`, b: 1, c: { b: "x" } }));

const BASE = {
  a: { b: "word", c: [1, { "d-e": 2.5 }], n: null },
  b: "c",
  c: { word: "found", back: "${..b}", up: { a: "${...b}", here: "${.a}" } },
  "0": true,
};
const known = fc.constantFrom(
  ..."a a.b a.c a[c][0] a.c.1.d-e a.n b c c.word c.back c.up c.up.here c[up].a 0 [0] c.${a.b} ${b}.word c[${a.b}] .b ..b".split(
    " ",
  ),
);
const space = fc.constantFrom("", "", " ", "\t ");
const { element } = fc.letrec<{ element: string }>((tie) => ({
  element: fc.oneof(
    { maxDepth: 3, depthIdentifier: "element" },
    { weight: 3, arbitrary: argument },
    { weight: 2, arbitrary: known.map((name) => `\${${name}}`) },
    fc
      .array(fc.constantFrom("a", "1", "null", " ", "\\,", "\\\\", "-", "0.5", "${b}", ":", "$"), {
        minLength: 1,
        maxLength: 4,
      })
      .map((parts) => parts.join("")),
    fc
      .array(fc.constantFrom("a", "\\'", "\\\\", "\\", "${b}", "\\${b}", "$", '"', "é"), { maxLength: 4 })
      .map((parts) => `'${parts.join("")}'`),
    fc
      .tuple(fc.array(tie("element"), { maxLength: 3 }), space)
      .map(([items, gap]) => `[${items.join(`,${gap}`)}]`),
    fc
      .array(fc.tuple(fc.constantFrom("k", "1", "two words", "null", "2.0", "\\:"), space, tie("element")), {
        maxLength: 3,
      })
      .map((pairs) => `{${pairs.map(([name, gap, value]) => `${name}${gap}:${value}`).join(",")}}`),
  ),
}));
const wrapped = fc.oneof(
  known.map((name) => `\${${name}}`),
  fc
    .tuple(space, element, space)
    .map(([before, value, after]) => `\${oc.env:NOPE,${before}${value}${after}}`),
  element.map((value) => `\${oc.create:[${value}]}`),
  element.map((value) => `\${oc.decode:'${value.replaceAll(/[\\']/g, "\\$&")}'}`),
  fc.tuple(known, element).map(([name, value]) => `\${oc.select:${name},${value}}`),
  known.map((name) => `\${oc.dict.values:${name}}`),
  fc
    .tuple(known, fc.constantFrom("", "\\", "\\\\", "é $"), known)
    .map(([x, text, y]) => `\${${x}}${text}\${${y}}`),
);
/** A config most of whose references lead somewhere. */
export const sound = fc
  .tuple(wrapped, wrapped)
  .map(([x, y]) => JSON.stringify({ ...BASE, x, deep: { y, b: 1 }, through: "${x}" }));
