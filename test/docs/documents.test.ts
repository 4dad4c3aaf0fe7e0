/** Blocks of YAML and JSON in the documentation: each parses, and the daemon takes those that are its config. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { loadConfig } from "../../daemon/config/index.ts";
import { allBlocks } from "./markdown.ts";
import { isSettings } from "./player.ts";

const folder = mkdtempSync(join(tmpdir(), "pkx-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const blocks = allBlocks().filter(({ notRun }) => notRun === "");

test("every block of JSON parses", () => {
  for (const { page, line, code } of blocks.filter(({ language }) => language === "json")) {
    expect(() => JSON.parse(code), `${page}:${line}`).not.toThrow();
  }
});

test("every block of YAML parses", () => {
  for (const { page, line, code } of blocks.filter(
    ({ language }) => language === "yaml" || language === "yml",
  )) {
    // Placeholders of Helm are no YAML.
    const documents = parseAllDocuments(code.replace(/\{\{.*?\}\}/g, "x"));
    expect(
      [...documents].flatMap(({ errors }) => errors.map(String)),
      `${page}:${line}`,
    ).toEqual([]);
  }
});

test("the daemon takes every config that is shown", async () => {
  const configs = blocks.filter(({ language, code }) => language === "yaml" && isSettings(code));
  expect(configs.length).toBeGreaterThan(1);
  for (const { page, line, code } of configs) {
    const config = join(folder, "config.yaml");
    writeFileSync(config, code);
    const read = loadConfig({ config }, { HOME: folder });
    await expect(read, `${page}:${line}`).resolves.toBeDefined();
  }
});
