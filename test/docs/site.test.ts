/** The site as it is built, and that its reference leaves nothing out. */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { WANTED } from "../../daemon/config/config.ts";
import { allCommands, commandsPage, silentProgram } from "../../docs/site/reference/commands.ts";
import { errorsPage } from "../../docs/site/reference/errors.ts";
import { pythonPages } from "../../docs/site/reference/index.ts";
import { protocolPage } from "../../docs/site/reference/protocol.ts";
import { settingsPage } from "../../docs/site/reference/settings.ts";
import { ROOT } from "./markdown.ts";

const SITE = join(ROOT, "docs/site");

const hasPackages = existsSync(join(SITE, "node_modules/vitepress"));
if (!hasPackages) console.error("SKIPPED: the packages of docs/site are missing: the site is not built.");

test("the reference has every command, setting, error and service", () => {
  const commands = commandsPage().text;
  for (const { name } of allCommands(silentProgram())) expect(commands).toContain(`# ${name}\n`);
  const settings = settingsPage().text;
  for (const name of Object.keys(WANTED)) expect(settings).toContain(`| \`${name}\` |`);
  const proto = readFileSync(join(ROOT, "proto/pipekit/experiment/v1/errors.proto"), "utf8");
  const errors = errorsPage().text;
  for (const [, code] of proto.matchAll(/ERROR_CODE_(\w+) = [1-9]/g))
    expect(errors).toContain(`\n## ${code}\n`);
  const protocol = protocolPage().text;
  for (const method of ["TrackerService.Log", "RegistryService.WatchTag"])
    expect(protocol).toContain(`### ${method}\n`);
});

test("every public name of Python has a docstring", async () => {
  const pages = await pythonPages();
  const index = pages.find(({ path }) => path === "reference/python/index.md")?.text;
  for (const name of ["start_run", "LocalModelRegistry", "TrainingArtifact"])
    expect(index).toContain(`\n## ${name}\n`);
});

test.runIf(hasPackages)("the site is built, without a dead link", { timeout: 180_000 }, () => {
  execFileSync(process.execPath, ["--disable-warning=ExperimentalWarning", join(SITE, "build.ts")], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const page of ["index.html", "quickstart/plain.html", "reference/typescript/index.html"]) {
    expect(readFileSync(join(SITE, "dist", page), "utf8")).toContain("pipekit-experiment");
  }
});
