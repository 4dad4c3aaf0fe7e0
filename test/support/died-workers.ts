/**
 * Runs vitest, and once more the files whose worker process was killed by a fault of Node's own: V8 dies now and then in
 * its compiler (`Check failed: jit_page.has_value()`), in any file, and that says nothing of what is tested. A test that failed
 * is never run again, nor anything beside one. Arguments are vitest's.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { z } from "zod";

/** What the JSON reporter tells of a run; a file whose worker died is `failed` and has no failed test. */
const Report = z.object({
  numFailedTests: z.number(),
  testResults: z.array(z.object({ name: z.string(), status: z.string() })),
});
/** How a worker ends that crashes by itself; a test that kills or leaves its process ends otherwise. */
const DIED =
  /Worker exited unexpectedly with signal SIG(?:SEGV|TRAP|ILL|BUS) .*while running test file (\S+)/g;
const UNHANDLED = /Vitest caught (\d+) unhandled error/;

interface Outcome {
  readonly passed: boolean;
  /** Files to run again; empty when something else is wrong, or nothing. */
  readonly died: readonly string[];
}

async function runVitest(args: readonly string[]): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "pkx-vitest-"));
  const report = join(folder, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const child = spawn("vitest", ["run", ...reporters, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const [from, to] of [
    [child.stdout, process.stdout] as const,
    [child.stderr, process.stderr] as const,
  ]) {
    from.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      to.write(chunk);
    });
  }
  const [code] = await once(child, "close");
  try {
    return {
      passed: code === 0,
      died: code === 0 ? [] : diedFiles(stripVTControlCharacters(text), readFileSync(report, "utf8")),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function diedFiles(output: string, json: string): readonly string[] {
  const report = Report.parse(JSON.parse(json));
  const files = [...output.matchAll(DIED)].map(([, file]) => file ?? "");
  const failed = report.testResults.filter(({ status }) => status === "failed").map(({ name }) => name);
  const errors = Number(UNHANDLED.exec(output)?.[1] ?? "0");
  const nothingElse = errors === files.length && failed.every((name) => files.includes(name));
  return report.numFailedTests === 0 && nothingElse ? files : [];
}

const args = process.argv.slice(2);
const first = await runVitest(args);
let { passed } = first;
if (first.died.length > 0) {
  console.error(`\nA worker of Node's own died; run once more: ${first.died.join(", ")}`);
  ({ passed } = await runVitest([...args, ...first.died]));
}
process.exitCode = passed ? 0 : 1;
