/**
 * `npm test`: every check of the project, one after another, each with its time. Goes on after a failed check, so
 * that one run tells everything; exits 1 if any failed. `npm test -- NAME...` runs only the checks so named.
 */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { leftOut } from "./programs.ts";

interface Check {
  readonly name: string;
  readonly command: readonly string[];
}

const PYTHON_CODE = ["clients/python", "test"];

/** One more than processors: many tests wait for servers to start, clocks to run out and processes to die. */
const VITEST_WORKERS = availableParallelism() + 1;
const PYTEST_WORKERS = ["-n", String(availableParallelism()), "--dist", "loadfile"];

const CHECKS: readonly Check[] = [
  { name: "types", command: ["tsc", "-p", "."] },
  { name: "page-types", command: ["tsc", "-p", "clients/page"] },
  { name: "biome", command: ["biome", "ci", "."] },
  { name: "buf-lint", command: ["buf", "lint"] },
  { name: "buf-format", command: ["buf", "format", "--diff", "--exit-code"] },
  { name: "buf-breaking", command: ["node", "proto/breaking.ts"] },
  { name: "generated", command: ["node", "proto/generate.ts", "--check"] },
  { name: "ruff-format", command: ["ruff", "format", "--check", ...PYTHON_CODE] },
  { name: "ruff", command: ["ruff", "check", ...PYTHON_CODE] },
  { name: "pyright", command: ["pyright", "-p", "clients/python"] },
  {
    name: "vitest",
    command: ["node", "test/support/died-workers.ts", `--maxWorkers=${VITEST_WORKERS}`],
  },
  // A file's tests stay in one process: they share its daemon.
  { name: "pytest", command: ["python", "-m", "pytest", "-q", "clients/python", ...PYTEST_WORKERS] },
];

function runCheck(check: Check): Promise<boolean> {
  const [command = "", ...args] = check.command;
  return new Promise((done) => {
    const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", (error) => {
      console.error(`${command}: ${error.message}`);
      done(false);
    });
    child.on("close", (code) => done(code === 0));
  });
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !CHECKS.some((check) => check.name === name));
if (unknown.length > 0) {
  console.error(
    `No check is named ${unknown.join(", ")}. Checks: ${CHECKS.map((check) => check.name).join(", ")}`,
  );
  process.exit(2);
}
const summary: string[] = [];
let failed = 0;
for (const check of CHECKS) {
  if (wanted.length > 0 && !wanted.includes(check.name)) continue;
  console.log(`\n== ${check.name}: ${check.command.join(" ")}`);
  const started = Date.now();
  const passed = await runCheck(check);
  if (!passed) failed++;
  summary.push(
    `${passed ? "passed" : "FAILED"}  ${check.name}  ${((Date.now() - started) / 1000).toFixed(1)} s`,
  );
}
const notes = leftOut().map((reason) => `LEFT OUT  ${reason}`);
console.log(`\n${[...summary, ...notes].join("\n")}\n\n${summary.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
