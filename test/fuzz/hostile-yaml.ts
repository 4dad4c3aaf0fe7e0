/** YAML made to hurt who reads it: bombs, depths, huge scalars, repeated keys, tags, and sound files changed in places. */
import fc from "fast-check";
import { mutatedText } from "./bytes.ts";

const size = fc.constantFrom(3, 50, 3000, 20_000);

const bombs: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    doubled((i) => `x${i}: &x${i} [*x${i - 1}, *x${i - 1}, *x${i - 1}]`, "x0: &x0 [1]"),
    doubled((i) => `x${i}: &x${i} {<<: [*x${i - 1}, *x${i - 1}], a${i}: *x${i - 1}}`, "x0: &x0 {b: 1}"),
    "a: &a [*a]",
    "&a a: *a",
    "a: &a {b: *a}",
    "a: *nowhere",
    "<<: *nowhere",
    "<<: [1, 2]",
  ),
  fc
    .tuple(
      fc.constantFrom(
        "[",
        "{a: ",
        "- ",
        "? ",
        "a: {",
        "- - ",
        "!!map ",
        "&a ",
        "{? ",
        "[[",
        "'",
        '"',
        "|\n ",
        "# ",
      ),
      size,
    )
    .map(([open, times]) => open.repeat(times)),
  fc
    .tuple(
      fc.constantFrom("a", "\\x41", "é", "0", "${", "\n", " ", "\t", "- \n", "a:\n", "a: 1\n", "--- a\n"),
      size,
    )
    .map(([part, times]) => `a: ${part.repeat(times)}`),
  size.map((times) => Array.from({ length: times }, (_, i) => `${" ".repeat(i % 300)}k:`).join("\n")),
  size.map((times) => Array.from({ length: times }, (_, i) => `k${i % 7}: ${i}`).join("\n")),
);

const tagged = fc
  .tuple(
    fc.constantFrom(
      "!!js/function",
      "!!python/object/apply:os.system",
      "!!binary",
      "!!set",
      "!!omap",
      "!!timestamp",
      "!<x>",
      "!",
      "!!float",
      "!!int",
    ),
    fc.constantFrom("'x'", "[a]", "{a: 1}", "", "abc", "99999999999999999999", "0x", ".inf"),
  )
  .map(([tag, value]) => `a: ${tag} ${value}`);

const heads = fc.constantFrom(
  "",
  "",
  "",
  "%YAML 1.9\n---\n",
  "%TAG ! tag:x,2000:\n---\n",
  "\ufeff",
  "---\n---\n",
  "...\n",
  "\t",
  "\0",
  "\u2028",
);

/** Texts of this kind of file, all kinds of wrong. */
export function hostileYaml(sound: readonly string[]): fc.Arbitrary<string> {
  const one = fc.oneof(
    { arbitrary: mutatedText(fc.constantFrom(...sound)), weight: 4 },
    { arbitrary: bombs, weight: 2 },
    {
      arbitrary: fc
        .tuple(fc.constantFrom(...sound), fc.oneof(bombs, tagged))
        .map(([head, tail]) => `${head}\n${tail}`),
      weight: 2,
    },
    tagged,
    fc.string({ unit: "binary", maxLength: 60 }),
  );
  return fc.tuple(heads, one).map(([head, text]) => head + text);
}

function doubled(line: (i: number) => string, first: string): string {
  return [first, ...Array.from({ length: 40 }, (_, i) => line(i + 1))].join("\n");
}
