/** The threat model: each threat names a test, and each test that is named is there. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, readMarkdown } from "./markdown.ts";

const PAGE = "docs/security.md";
/** Rooms whose tests are about defence alone: none of them may be missing from the page. */
const DEFENCES = [
  "test/access/*.test.ts",
  "test/audit/*.test.ts",
  "test/limits/*.test.ts",
  "test/flood/*.test.ts",
];
/** Tests that figures are measured with, and tests of forms. */
const NO_DEFENCE = new Set([
  "test/flood/bench.test.ts",
  "test/access/tag-file.test.ts",
  "test/access/live.test.ts",
]);

interface Shown {
  readonly file: string;
  readonly title: string;
}

interface Threat {
  readonly threat: string;
  readonly shown: readonly Shown[];
}

/** The rows of tables whose last column is `shown by`. */
function threatsOf(text: string): Threat[] {
  const threats: Threat[] = [];
  let isThreats = false;
  for (const line of text.split("\n")) {
    const cells = line.startsWith("|") ? line.split("|").slice(1, -1) : [];
    const [threat = "", , shown = ""] = cells.map((cell) => cell.trim());
    if (cells.length === 0) isThreats = false;
    else if (shown === "shown by") isThreats = true;
    else if (isThreats && !/^-+$/.test(threat)) threats.push({ threat, shown: shownBy(shown) });
  }
  return threats;
}

/** `FILE`: "title", "title" · `FILE`: "title" */
function shownBy(cell: string): Shown[] {
  return cell.split(" · ").flatMap((part) => {
    const [, file = "", titles = ""] = /^`([^`]+)`: (.+)$/.exec(part) ?? [];
    return titles.split(/(?<="), (?=")/).map((title) => ({ file, title: title.replace(/^"|"$/g, "") }));
  });
}

/** What is wrong with the threats of a text, as sentences. */
function faultsOf(text: string): string[] {
  return threatsOf(text).flatMap(({ threat, shown }) =>
    shown.flatMap(({ file, title }) => {
      if (file === "" || title === "") return [`${threat}: names no test`];
      if (!existsSync(join(ROOT, file))) return [`${threat}: there is no ${file}`];
      return holds(file, title) ? [] : [`${threat}: ${file} has no test ${JSON.stringify(title)}`];
    }),
  );
}

function holds(file: string, title: string): boolean {
  const source = readFileSync(join(ROOT, file), "utf8");
  if (file.endsWith(".py")) return new RegExp(`^ *def ${title}\\(`, "m").test(source);
  return [`"${title}"`, `'${title}'`, `\`${title}\``].some((literal) => source.includes(literal));
}

test("each threat is shown by tests that are there", () => {
  const text = readMarkdown(PAGE);
  expect(threatsOf(text).length).toBeGreaterThan(45);
  expect(faultsOf(text)).toEqual([]);
});

test("a threat without a test, a file that is gone and a title that is gone are found", () => {
  const head = "| threat | what stands in the way | shown by |\n|---|---|---|\n";
  const at = "`test/docs/security.test.ts`";
  expect(faultsOf(`${head}| a | b | |\n`)).toEqual(["a: names no test"]);
  expect(faultsOf(`${head}| a | b | some day |\n`)).toEqual(["a: names no test"]);
  expect(faultsOf(`${head}| a | b | \`test/none.test.ts\`: "x" |\n`)).toEqual([
    "a: there is no test/none.test.ts",
  ]);
  const gone = ["no", "such", "title"].join(" ");
  expect(
    faultsOf(`${head}| a | b | ${at}: "each threat is shown by tests that are there", "${gone}" |\n`),
  ).toEqual([`a: test/docs/security.test.ts has no test "${gone}"`]);
  expect(faultsOf(`| a | b |\n|---|---|\n| c | d |\n`)).toEqual([]);
});

test("no test of a defence is forgotten", () => {
  const named = new Set(threatsOf(readMarkdown(PAGE)).flatMap(({ shown }) => shown.map(({ file }) => file)));
  const tests = globSync(DEFENCES, { cwd: ROOT }).filter((file) => !NO_DEFENCE.has(file));
  expect(tests.length).toBeGreaterThan(10);
  expect(tests.filter((file) => !named.has(file))).toEqual([]);
});
