/**
 * `npm run drift`: runs the tests of each tool against its oldest supported and its newest release, and prints what became
 * of them. `-- --only TOOL[,TOOL]` chooses tools, `--oldest` and `--newest` one end, `--write` puts the table into
 * docs/compatibility.md, `--verbose` shows what the tests print. Exits 1 when a test failed.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { prepareEnvironment } from "./environment.ts";
import { readMatrix } from "./matrix.ts";
import { runSuites } from "./suites.ts";
import { type Line, table, withTable } from "./table.ts";

const PAGE = join(resolve(import.meta.dirname, "../.."), "docs/compatibility.md");

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    oldest: { type: "boolean", default: false },
    newest: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});
const matrix = readMatrix();
const wanted = values.only?.split(",") ?? matrix.map(({ tool }) => tool);
const unknown = wanted.filter((tool) => !matrix.some((row) => row.tool === tool));
if (unknown.length > 0) {
  console.error(
    `No tool is named ${unknown.join(", ")}. Tools: ${matrix.map(({ tool }) => tool).join(", ")}`,
  );
  process.exit(2);
}
const both = values.oldest === values.newest;
const lines: Line[] = [];
for (const row of matrix.filter(({ tool }) => wanted.includes(tool))) {
  const ends = [
    ...(both || values.oldest ? [row.oldest] : []),
    ...(both || values.newest ? [undefined] : []),
  ];
  for (const end of ends) {
    const started = Date.now();
    console.error(`${row.tool} ${end ?? "(newest)"} ...`);
    const line = await tryRelease(row, end);
    lines.push(line);
    const { passed, failed, skipped, faults } = line.outcome;
    const seconds = Math.round((Date.now() - started) / 1000);
    console.error(
      `  ${line.version}: ${passed} passed, ${failed} failed, ${skipped} skipped in ${seconds} s`,
    );
    for (const fault of faults) console.error(`    ${fault}`);
  }
}
console.log(table(lines));
if (values.write) writeFileSync(PAGE, withTable(readFileSync(PAGE, "utf8"), lines));
process.exitCode = lines.some(({ outcome }) => outcome.failed > 0) ? 1 : 0;

async function tryRelease(row: (typeof matrix)[number], end: string | undefined): Promise<Line> {
  try {
    const environment = await prepareEnvironment(row, end);
    const say = (text: string) => values.verbose && process.stderr.write(text);
    return { tool: row.tool, version: environment.version, outcome: await runSuites(row, environment, say) };
  } catch (error) {
    const fault = String(error instanceof Error ? error.message : error).slice(-2000);
    return {
      tool: row.tool,
      version: end ?? "newest",
      outcome: { passed: 0, failed: 1, skipped: 0, faults: [fault] },
    };
  }
}
