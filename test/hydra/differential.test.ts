import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CASES } from "./cases.ts";
import { config, scalar, sound, tokens } from "./generated-configs.ts";
import { differences, ourVerdict } from "./real-omegaconf.ts";
import { YAML_CASES } from "./yaml-cases.ts";

const sample = (arbitrary: fc.Arbitrary<string>, count: number): string[] => [
  ...new Set(fc.sample(arbitrary, { numRuns: count, seed: 20261126 })),
];

describe("configs resolve as the real OmegaConf resolves them", () => {
  test("cases made by hand", () => {
    const texts = [...CASES, ...YAML_CASES];
    expect(differences(texts)).toEqual([]);
    expect(texts.filter((text) => "resolved" in ourVerdict(text)).length).toBeGreaterThan(texts.length / 3);
  });

  test("configs made at random", () => {
    const texts = sample(config, 250);
    expect(differences(texts)).toEqual([]);
    expect(texts.filter((text) => "resolved" in ourVerdict(text)).length).toBeGreaterThan(10);
  });

  test("configs most of whose references lead somewhere", () => {
    const texts = sample(sound, 400);
    expect(differences(texts)).toEqual([]);
    expect(texts.filter((text) => "resolved" in ourVerdict(text)).length).toBeGreaterThan(80);
  });

  test("plain scalars", () => {
    expect(differences(sample(scalar, 600))).toEqual([]);
  });

  test("tokens of interpolations in any order", () => {
    expect(differences(sample(tokens, 400))).toEqual([]);
  });
});
