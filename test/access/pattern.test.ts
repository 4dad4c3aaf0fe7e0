import fc from "fast-check";
import { expect, test } from "vitest";
import { patternOf } from "../../daemon/access/pattern.ts";

const letters = fc.string({ unit: fc.constantFrom("a", "b", "/", "?", ".", "é"), maxLength: 12 });
const pattern = fc.string({ unit: fc.constantFrom("a", "b", "/", "?", ".", "*", "é"), maxLength: 8 });

/** The meaning of a pattern, as a regular expression: slow for some, and therefore not what the daemon uses. */
function meaning(text: string, star: string): RegExp {
  const parts = text.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"));
  return new RegExp(`^${parts.join(star)}$`, "su");
}

test("a pattern matches what it means, with and without a barrier", () => {
  fc.assert(
    fc.property(pattern, letters, (text, name) => {
      expect(patternOf(text).matches(name)).toBe(meaning(text, ".*").test(name));
      expect(patternOf(text, "?").matches(name)).toBe(meaning(text, "[^?]*").test(name));
    }),
    { numRuns: 5000 },
  );
});

test("a name matches a pattern that was made from it by widening", () => {
  fc.assert(
    fc.property(letters, fc.nat(12), fc.nat(12), (name, a, b) => {
      const [from = 0, to = 0] = [a, b].map((i) => Math.min(i, name.length)).sort((x, y) => x - y);
      expect(patternOf(`${name.slice(0, from)}*${name.slice(to)}`).matches(name)).toBe(true);
    }),
  );
});

test("no character of a name stands for two of a pattern", () => {
  const unit = fc.constantFrom("a", "b");
  const word = fc.string({ unit, maxLength: 3 });
  fc.assert(
    fc.property(
      fc.array(word, { minLength: 2, maxLength: 4 }),
      fc.string({ unit, maxLength: 6 }),
      (words, name) => {
        const text = words.join("*");
        expect(patternOf(text).matches(name), `${text} ${name}`).toBe(meaning(text, ".*").test(name));
      },
    ),
    { numRuns: 3000 },
  );
  expect(patternOf("a*b*b").matches("ab")).toBe(false);
  expect(patternOf("aba*aba").matches("ababa")).toBe(false);
});

test("many stars against a long name take no time", () => {
  const began = performance.now();
  expect(patternOf(`${"a*".repeat(200)}b`).matches("a".repeat(100_000))).toBe(false);
  // Seconds and more, if it tried all ways.
  expect(performance.now() - began).toBeLessThan(1000);
});

test("no star reaches into the query of a registry's spec", () => {
  const bucket = patternOf("s3://team/*", "?");
  expect(bucket.matches("s3://team/models/")).toBe(true);
  expect(bucket.matches("s3://team/models/?endpoint=http://evil")).toBe(false);
  expect(patternOf("s3://team/*?region=*", "?").matches("s3://team/models/?region=eu")).toBe(true);
});
