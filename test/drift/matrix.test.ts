import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { readMatrix } from "./matrix.ts";
import { type Line, table, withTable } from "./table.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const MATRIX = readMatrix();
const text = (path: string) => readFileSync(join(ROOT, path), "utf8");

describe("the matrix", () => {
  test("names the oldest releases that the client's extras ask for", () => {
    const pyproject = text("clients/python/pyproject.toml");
    for (const { tool, oldest } of MATRIX) {
      const asked = [...pyproject.matchAll(new RegExp(`"${tool}>=([\\d.]+)"`, "g"))].map(
        ([, release]) => release,
      );
      expect(
        asked.map((release) => `${release}.0`),
        tool,
      ).toContain(oldest);
    }
  });

  test("has every tool whose release CI pins for an adapter", () => {
    const pinned = text("test/support/requirements.txt");
    for (const { tool } of MATRIX) expect(pinned).toMatch(new RegExp(`^${tool}==`, "m"));
  });

  test("leads to tests that are there", () => {
    for (const { tool, vitest, pytest } of MATRIX) {
      const files = [...vitest, ...pytest.map((pattern) => `clients/python/tests/${pattern}`)];
      expect(files.length, tool).toBeGreaterThan(0);
      for (const file of files) expect(globSync(join(ROOT, file)), file).not.toEqual([]);
    }
  });
});

describe("the table", () => {
  const page = "Before.\n<!-- drift: written by `npm run drift -- --write` -->\n<!-- /drift -->\nAfter.\n";
  const line = (name: string, version: string, failed = 0): Line => ({
    name,
    version,
    outcome: { passed: 3, failed, skipped: 1, faults: [] },
  });

  test("has a row a release, and says which fails", () => {
    expect(
      table([line("dvc", "3.30.0"), line("dvc", "3.67.1", 2)])
        .split("\n")
        .slice(2),
    ).toEqual(["| dvc | 3.30.0 | 3 | 0 | 1 | works |", "| dvc | 3.67.1 | 3 | 2 | 1 | FAILS |"]);
  });

  test("keeps the rows of other tools when one is run anew", () => {
    const first = withTable(page, [line("dvc", "3.30.0"), line("mlflow", "2.10.0", 1)]);
    const second = withTable(first, [line("mlflow", "2.10.0")]);
    expect(second).toContain("| dvc | 3.30.0 | 3 | 0 | 1 | works |");
    expect(second).toContain("| mlflow | 2.10.0 | 3 | 0 | 1 | works |");
    expect(second).not.toContain("FAILS");
    expect(withTable(second, [line("mlflow", "2.10.0")])).toBe(second);
    expect(second).toMatch(/^Before\.\n[\s\S]*After\.\n$/);
  });

  test("does not count a release as working of which nothing ran", () => {
    const nothing = { passed: 0, failed: 0, skipped: 4, faults: [] };
    expect(table([{ name: "dvc", version: "3.30.0", outcome: nothing }])).toContain("FAILS");
  });

  test("refuses a page that has no place for it", () => {
    expect(() => withTable("Nothing.", [])).toThrow("has no");
  });
});
