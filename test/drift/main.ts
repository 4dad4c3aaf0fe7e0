/**
 * `npm run drift`: runs the tests of each tool against its oldest supported and its newest release, and prints what became
 * of them. `-- --only NAME[,NAME]` chooses tools, `--oldest` and `--newest` one end, `--write` puts the table into
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
const names = matrix.map(({ name }) => name);
const wanted = values.only?.split(",") ?? names;
const unknown = wanted.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(", ")}. Choose from: ${names.join(", ")}`);
  process.exit(2);
}
const both = values.oldest === values.newest;
if (values.write && !both) {
  console.error("A row of the table has both ends: leave out --oldest and --newest, or --write.");
  process.exit(2);
}
const lines: Line[] = [];
for (const row of matrix.filter(({ name }) => wanted.includes(name))) {
  const ends = [
    ...(both || values.oldest ? [row.oldest] : []),
    ...(both || values.newest ? [undefined] : []),
  ];
  for (const end of ends) {
    const started = Date.now();
    console.error(`${row.name} ${end ?? "(newest)"} ...`);
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
    return { name: row.name, version: environment.version, outcome: await runSuites(row, environment, say) };
  } catch (error) {
    const fault = String(error instanceof Error ? error.message : error).slice(-2000);
    return {
      name: row.name,
      version: end ?? "newest",
      outcome: { passed: 0, failed: 1, skipped: 0, faults: [fault] },
    };
  }
}
