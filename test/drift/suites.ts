/** Runs the tests of a tool in an environment, and counts what became of them. */

import { spawn } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { z } from "zod";
import type { Environment } from "./environment.ts";
import type { Row } from "./matrix.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** What became of tests. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Names of those that failed, and what kept a whole file from running. */
  readonly faults: readonly string[];
}

const VitestReport = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
});

/** Runs both kinds of suites of the row. `say` gets what they print. */
export async function runSuites(
  row: Row,
  environment: Environment,
  say: (text: string) => void,
): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "pkx-drift-"));
  const outcomes: Outcome[] = [];
  try {
    const env = { ...process.env, PKX_TEST_TOOLS: environment.folder };
    if (row.vitest.length > 0) {
      const file = join(folder, "vitest.json");
      const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
      const code = await execute("vitest", ["run", ...reporters, ...row.vitest], env, say);
      outcomes.push(await readReport(() => vitestOutcome(file), `vitest ended with ${code}`));
    }
    if (row.pytest.length > 0) {
      const file = join(folder, "pytest.xml");
      const tests = globSync(row.pytest.map((pattern) => join(ROOT, "clients/python/tests", pattern)));
      const python = join(environment.folder, "bin/python");
      const args = ["-m", "pytest", "-q", "-c", join(ROOT, "clients/python/pyproject.toml")];
      // Plugins of `.venv` may need what another release of their package has, which the environment hides.
      const own = { ...env, PYTEST_DISABLE_PLUGIN_AUTOLOAD: "1" };
      const code = await execute(python, [...args, `--junitxml=${file}`, ...tests.sort()], own, say);
      outcomes.push(await readReport(() => pytestOutcome(file), `pytest ended with ${code}`));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return outcomes.reduce(together, { passed: 0, failed: 0, skipped: 0, faults: [] });
}

function together(a: Outcome, b: Outcome): Outcome {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
    faults: [...a.faults, ...b.faults],
  };
}

/** No report is a failure of its own: a runner that could not start has shown nothing. */
async function readReport(read: () => Outcome, whatHappened: string): Promise<Outcome> {
  try {
    return read();
  } catch {
    return { passed: 0, failed: 1, skipped: 0, faults: [`${whatHappened} without a report`] };
  }
}

function vitestOutcome(file: string): Outcome {
  const { testResults } = VitestReport.parse(JSON.parse(readFileSync(file, "utf8")));
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = tests.filter(({ status }) => status === "failed").map(({ fullName }) => fullName);
  // A file that could not be set up has only skipped tests.
  const broken = testResults
    .filter(({ status, assertionResults }) => {
      return status === "failed" && !assertionResults.some((one) => one.status === "failed");
    })
    .map(({ name, message = "" }) => `${relative(ROOT, name)}: ${message.split("\n")[0]}`);
  const passed = tests.filter(({ status }) => status === "passed").length;
  const faults = [...failed, ...broken];
  return { passed, failed: faults.length, skipped: tests.length - passed - failed.length, faults };
}

function pytestOutcome(file: string): Outcome {
  const text = readFileSync(file, "utf8");
  const count = (name: string) => Number(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`).exec(text)?.[1]);
  const [tests, skipped, failed] = [count("tests"), count("skipped"), count("failures") + count("errors")];
  const cases = text.split("<testcase ").slice(1);
  const faults = cases
    .filter((one) => /<(failure|error)[ >]/.test(one))
    .map((one) => /\bname="([^"]*)"/.exec(one)?.[1] ?? "");
  return { passed: tests - skipped - failed, failed, skipped, faults };
}

function execute(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  say: (text: string) => void,
): Promise<number | null> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => say(String(chunk)));
    child.on("error", fail);
    child.on("close", done);
  });
}
