/** The workflows of CI and release: by their linter, and what they name is there. What they run is run by the other tests. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { toolPath } from "../support/tools.ts";
import { ROOT, run } from "./made.ts";

const FOLDER = join(ROOT, ".github/workflows");
const FILES = readdirSync(FOLDER);
const RULES = "{extends: default, rules: {line-length: {max: 130}, document-start: disable}}";

const StepSchema = z.strictObject({
  name: z.string().optional(),
  if: z.string().optional(),
  uses: z.string().optional(),
  run: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional(),
  env: z.record(z.string(), z.string()).optional(),
});
const WorkflowSchema = z.object({
  permissions: z.record(z.string(), z.string()),
  jobs: z.record(
    z.string(),
    z.object({ permissions: z.record(z.string(), z.string()).optional(), steps: z.array(StepSchema) }),
  ),
});

test.each(FILES)("%s is YAML by its linter", async (file) => {
  await run(toolPath("yamllint"), ["--strict", "-d", RULES, join(FOLDER, file)]);
});

test.each(FILES)("%s pins its actions, asks for little and names what is there", (file) => {
  const { permissions, jobs } = WorkflowSchema.parse(parse(readFileSync(join(FOLDER, file), "utf8")));
  expect(permissions).toEqual({ contents: "read" });
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  for (const step of Object.values(jobs).flatMap((job) => job.steps)) {
    expect(step.uses ?? "a/b@v1").toMatch(/^[\w-]+\/[\w-]+@(release\/)?v\d+$/);
    for (const [, script] of (step.run ?? "").matchAll(/npm run (\S+)/g))
      expect(scripts).toHaveProperty(script ?? "");
    for (const [path] of (step.run ?? "").matchAll(/\.ci\/\w+|\.\/daemon\/package\.json/g)) {
      expect(existsSync(join(ROOT, path))).toBe(true);
    }
    // Nothing of whoever made the tag or the branch is read as shell.
    expect(step.run ?? "").not.toContain("${{");
  }
});
