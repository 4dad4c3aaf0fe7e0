import { checkTagName, nearestName, parseRef, type Ref, refText } from "@pipekit/proto";
import fc from "fast-check";
import { expect, test } from "vitest";

const hex = (min: number, max: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: min, maxLength: max });
const name = fc
  .stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/)
  .filter((text) => !/^[0-9a-fA-F]{8,}$/.test(text) && !text.includes(".."));
const count = fc.integer({ min: 1, max: 999_999_999_999_999 });
const ref: fc.Arbitrary<Ref> = fc.oneof(
  hex(64, 64).map((hash) => ({ kind: "hash" as const, hash })),
  hex(8, 63).map((prefix) => ({ kind: "prefix" as const, prefix })),
  name.map((text) => ({ kind: "tag" as const, name: text })),
  fc.tuple(name, count).map(([text, seq]) => ({ kind: "move" as const, name: text, seq })),
  fc.tuple(name, count).map(([text, steps]) => ({ kind: "back" as const, name: text, steps })),
);

test("every reference is read as it was written", () => {
  fc.assert(
    fc.property(ref, (one) => {
      expect(parseRef(refText(one))).toEqual(one);
    }),
    { numRuns: 1000 },
  );
});

test("any text is one reference or refused with REF_INVALID", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(..."ab09@~._-/ ") })), (text) => {
      let read: Ref;
      try {
        read = parseRef(text);
      } catch (error) {
        expect(error).toMatchObject({ code: "REF_INVALID", field: "ref" });
        return;
      }
      expect(refText(read)).toBe(text);
    }),
    { numRuns: 2000 },
  );
});

test("a tag name is never a path that leads out, a hash or a reference of another kind", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."ab09@~._-/ \0\n") }), (text) => {
      try {
        checkTagName(text);
      } catch (error) {
        expect(error).toMatchObject({ code: "TAG_NAME_INVALID", field: "name" });
        return;
      }
      expect(text).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
      expect(text).not.toContain("..");
      expect(parseRef(text)).toEqual({ kind: "tag", name: text });
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ["a/b", 'The tag name "a/b" holds "/".'],
  ["..", 'The tag name ".." begins with `.`.'],
  ["a..b", 'The tag name "a..b" holds `..`.'],
])("the tag name %s is refused with its fault and the mend", (text, message) => {
  expect(() => checkTagName(text)).toThrow(
    expect.objectContaining({
      code: "TAG_NAME_INVALID",
      field: "name",
      message,
      mend: expect.stringMatching(/^Use 1 to 128/),
    }),
  );
});

test("the nearest name is suggested, a far one is not", () => {
  const names = ["production", "candidate", "v1", "v2"];
  expect(nearestName("prodution", names)).toBe("production");
  expect(nearestName("v3", names)).toBe("v1");
  expect(nearestName("something-else", names)).toBeUndefined();
});
