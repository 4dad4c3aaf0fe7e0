/** Canonical JSON, and the YAML that is made of it. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { canonicalJson, compactText, JsonNumber, parseJson } from "../../daemon/content/index.ts";
import { checkNewModel } from "../../daemon/registry/new-model.ts";
import { yamlBytes, yamlText } from "../../daemon/registry/yaml.ts";
import { newModel } from "../contract/registry-harness.ts";

/** JSON texts whose integers are safe. */
const json = fc
  .jsonValue({ maxDepth: 6, stringUnit: "binary" })
  .map((value) => JSON.stringify(value, (_, entry) => (isUnsafe(entry) ? entry / 2 ** 40 : entry)))
  .filter((text) => !/(?<![\d.])\d{16,}(?![\d.e])/.test(text));
const isUnsafe = (entry: unknown): entry is number =>
  typeof entry === "number" && Number.isInteger(entry) && !Number.isSafeInteger(entry);

test.each([
  // The example of RFC 8785, section 3.2.2.
  [
    '{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001], "string": "\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/", "literals": [null, true, false]}',
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  ],
  // Section 3.2.3: keys by UTF-16 code units.
  [
    '{"\\u20ac":1,"\\r":2,"\\ufb33":3,"1":4,"\\ud83d\\ude00":5,"\\u0080":6,"\\u00f6":7}',
    '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}',
  ],
  ['{"__proto__":1,"constructor":[-0, 1.0, 1]}', '{"__proto__":1,"constructor":[0,1,1]}'],
])("writes %s canonically", (text, canonical) => {
  expect(canonicalJson(text)).toBe(canonical);
});

test("keeps the value, and is its own canonical form", () => {
  fc.assert(
    fc.property(json, (text) => {
      const canonical = canonicalJson(text);
      expect(JSON.parse(canonical)).toEqual(
        JSON.parse(text, (_, value) => (Object.is(value, -0) ? 0 : value)),
      );
      expect(canonicalJson(compactText(parseJson(text)))).toBe(canonical);
    }),
  );
});

test.each([
  ["[1,NaN]", "[1]", "NaN"],
  ['{"a":{"b c":[0,-Infinity]}}', 'a["b c"][1]', "-Infinity"],
  ['{"a":nan}', "a", "nan"],
  ['{"a":1,"b":{"a":1,"a":2}}', "b.a", "twice"],
  ['{"\\u0061":1,"a":2}', "a", "twice"],
  ['{"n":9007199254740993}', "n", "2^53"],
  ['{"n":-9007199254740992}', "n", "2^53"],
  ['{"n":1e999}', "n", "large"],
  ['{"s":"\\udc00"}', "s", "surrogate"],
  ['{"a":01}', "", "not JSON"],
  ['{"a":1,}', "", "not JSON"],
  ["{'a':1}", "", "not JSON"],
  ["{a:1}", "", "not JSON"],
  ["[1 2]", "", "not JSON"],
  ['["\u0001"]', "[0]", "not JSON"],
  ['["\\x"]', "[0]", "not JSON"],
  ['["open', "[0]", "not JSON"],
  ["", "", "not JSON"],
  ["// no\n1", "", "not JSON"],
  ["[1] 2", "", "not JSON"],
  ["\ufeff{}", "", "not JSON"],
  [`${"[".repeat(101)}${"]".repeat(101)}`, "[0]".repeat(100).slice(0, 300), "deeper"],
])("refuses %s", (text, field, why) => {
  expect(() => canonicalJson(text)).toThrow(
    expect.objectContaining({ code: "INVALID_CONFIG", field, message: expect.stringContaining(why) }),
  );
});

test("refuses what JSON.parse refuses, and only a little more", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:\\0159-+.eEntrufalsu \n') }), (text) => {
      let valid = true;
      try {
        JSON.parse(text);
      } catch {
        valid = false;
      }
      let taken = true;
      try {
        canonicalJson(text);
      } catch {
        taken = false;
      }
      expect(taken && !valid).toBe(false);
    }),
    { numRuns: 2000 },
  );
});

test("takes 100 levels, and a document of 1 MiB in no time", () => {
  expect(canonicalJson(`${"[".repeat(100)}${"]".repeat(100)}`)).toHaveLength(200);
  const large = JSON.stringify(
    Array.from({ length: 20_000 }, (_, i) => ({ name: `layer ${i}`, rate: i / 7 })),
  );
  expect(large.length).toBeGreaterThan(900_000);
  const start = performance.now();
  canonicalJson(large);
  expect(performance.now() - start).toBeLessThan(2000);
});

test("keeps the sources of numbers", () => {
  const text = '{"a":1.0,"b":[1e-05,1E5,-0.0,10]}';
  expect(compactText(parseJson(text))).toBe(text);
  expect(yamlText(parseJson(text))).toBe("a: 1.0\nb: [1.0e-05, 1.0e+5, -0.0, 10]\n");
});

test("YAML reads back as the JSON it was made of", () => {
  fc.assert(
    fc.property(json, (text) => {
      const read: unknown = parseYaml(yamlText(parseJson(text)), { mapAsMap: true, maxAliasCount: 0 });
      expect(plain(read)).toEqual(plain(parseJson(text)));
    }),
  );
});

test("the bytes of YAML are known before it is made", () => {
  const longKey = { ["k".repeat(600)]: [{ a: "é\u2028", b: [[1, 2], {}] }] };
  expect(yamlBytes(parseJson(JSON.stringify(longKey)))).toBe(
    Buffer.byteLength(yamlText(parseJson(JSON.stringify(longKey)))),
  );
  fc.assert(
    fc.property(json, (text) => {
      const value = parseJson(text);
      expect(yamlBytes(value)).toBe(Buffer.byteLength(yamlText(value)));
    }),
  );
});

test("a state that is small as JSON and vast as YAML is refused before anything is made", () => {
  let config = JSON.stringify(Array.from({ length: 100_000 }, () => 1));
  for (let depth = 0; depth < 90; depth++) config = `[${config}]`;
  const operatorJson = `{"module": "m", "class": "C", "config": {"a": ${config}}}`;
  expect(() => checkNewModel(newModel({ operatorJson }))).toThrow(
    expect.objectContaining({ code: "STORAGE_FULL", field: "operator_json" }),
  );
});

test("YAML of odd texts reads back in PyYAML", { timeout: 60_000 }, async () => {
  const odd = [
    "yes",
    "NO",
    "on",
    "~",
    "null",
    "1_000",
    "1e5",
    "12:30:45",
    "2001-12-14",
    "0o7",
    "0x1F",
    "=",
    "<<",
    "- a",
  ];
  const texts = [
    ...odd,
    "a: b",
    "a #b",
    "",
    " ",
    "\u007f\u0085\u2028\ufeff",
    "😀",
    "line\nline",
    "'",
    '"',
    "é",
    "k".repeat(2000),
  ];
  const samples = [
    ...fc.sample(json, 50),
    JSON.stringify(texts),
    JSON.stringify(
      Object.fromEntries(texts.map((text) => [text, [text, { [text]: [[1.5, [true]], {}, []] }]])),
    ),
    "[1e-05, 1E5, 1.0, -0.0, 1e21, 10, 123456789.5e-3]",
  ];
  const documents = samples.map((text) => ({ json: text, yaml: yamlText(parseJson(text)) }));
  const script = `
import json, sys, yaml
for i, entry in enumerate(json.load(sys.stdin)):
    wanted, read = json.loads(entry["json"]), yaml.safe_load(entry["yaml"])
    if json.dumps(wanted) != json.dumps(read): sys.exit(f"{i}: {entry['json']!r} became {read!r}")
`;
  const python = promisify(execFile)(".venv/bin/python", ["-c", script]);
  python.child.stdin?.end(JSON.stringify(documents));
  await python;
});

/** A tree of maps, arrays and scalars, from either parser. */
function plain(value: unknown): unknown {
  if (value instanceof JsonNumber) return value.value + 0;
  if (value instanceof Map) return new Map([...value].map(([key, entry]) => [String(key), plain(entry)]));
  if (Array.isArray(value)) return value.map(plain);
  return typeof value === "number" ? value + 0 : value;
}
