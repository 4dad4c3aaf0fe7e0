import fc from "fast-check";
import { expect, test } from "vitest";
import { artifactPath, mlflowKey } from "../../adapters/mlflow/keys.ts";

/** MLflow's own check (mlflow/utils/validation.py), in JavaScript. */
function mlflowTakes(name: string): boolean {
  if (!/^[/\p{L}\p{N}_.\- :]+$/u.test(name) || [...name].length > 250) return false;
  return !name.startsWith("..") && !name.startsWith("/") && normalPath(name) === name && name !== ".";
}

function normalPath(name: string): string {
  const kept: string[] = [];
  for (const part of name.split("/")) {
    if (part === ".." && kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (part !== "" && part !== ".") kept.push(part);
  }
  return kept.join("/") || ".";
}

const decode = (name: string) =>
  name.replace(/_0x([0-9A-F]*)_/g, (_, hex: string) =>
    hex === "" ? "" : String.fromCodePoint(Number.parseInt(hex, 16)),
  );

// Names made of the characters that matter: escapes, their parts, slashes and dots.
const nasty = fc
  .array(
    fc.constantFrom(
      "_",
      "0x",
      "_0x",
      "2B",
      "h",
      "+",
      "/",
      ".",
      "..",
      "a",
      " ",
      "é",
      "😀",
      "\ud800",
      "_0x2B_",
      "_0x_",
    ),
    {
      maxLength: 12,
    },
  )
  .map((parts) => parts.join(""));
const names = fc.oneof(nasty, fc.string({ unit: "binary", maxLength: 40 }));

test.each([
  ["loss", "loss"],
  ["train/température 2.5:é", "train/température 2.5:é"],
  ["pos_x1_mean", "pos_x1_mean"],
  ["loss@5", "loss_0x40_5"],
  ["/abs", "_0x2F_abs"],
  ["a//b/", "a/_0x2F_b_0x2F_"],
  ["../up", "_0x2E__0x2E_/up"],
  ["a/./b", "a/_0x2E_/b"],
  ["..a", "_0x2E_.a"],
  ["a_0x2B_b", "a_0x5F_0x2B_b"],
  ["a_0x2B+", "a_0x5F_0x2B_0x2B_"],
  ["", "_0x_"],
  ["x".repeat(250), "x".repeat(250)],
])("key %j is shown as %j", (key, shown) => {
  expect(mlflowKey(key)).toBe(shown);
});

test("every key becomes one that MLflow takes, and comes back", () => {
  fc.assert(
    fc.property(names, (name) => {
      const mapped = mlflowKey(name);
      expect(mlflowTakes(mapped)).toBe(true);
      expect(decode(mapped)).toBe(name);
      if (mlflowTakes(name) && !/_0x[0-9A-Fa-fh]*_/.test(name)) expect(mapped).toBe(name);
    }),
    { numRuns: 3000 },
  );
});

test("two keys never meet, long ones neither", () => {
  const long = fc.tuple(nasty, fc.nat({ max: 300 })).map(([tail, length]) => "k".repeat(length) + tail);
  fc.assert(
    fc.property(long, long, (a, b) => {
      expect(mlflowTakes(mlflowKey(a))).toBe(true);
      expect(mlflowKey(a) === mlflowKey(b)).toBe(a === b);
    }),
    { numRuns: 3000 },
  );
  const key = `${"y".repeat(400)}1`;
  expect(mlflowKey(key)).toMatch(/^y+_0xh[0-9a-f]{20}_$/);
  expect(mlflowKey(mlflowKey(key))).not.toBe(mlflowKey(key));
});

test("artifact paths lose nothing to the proxy's decoding", () => {
  expect(artifactPath("plots/a b+c@é.png")).toBe("plots/a b+c@é.png");
  expect(artifactPath("100%25/a#b?c\\d")).toBe("100_0x25_25/a_0x23_b_0x3F_c_0x5C_d");
  fc.assert(
    fc.property(names, (name) => {
      expect(artifactPath(name)).not.toMatch(/[#%?\\]|^\/|\/$|\/\/|(^|\/)\.{1,2}(\/|$)/);
      expect(decode(artifactPath(name))).toBe(name);
    }),
  );
});
