/**
 * What a daemon, a bucket, MLflow and a stream take, for docs/sizing.md: `node test/bench/sizing/main.ts`, after
 * `node daemon/build.ts`; in 4 minutes. `--only "one daemon,requests"` measures parts, `--json` prints JSON, `--write`
 * puts the tables into the page. Gates nothing. Costs are processor time, which other work on the machine changes little;
 * rates by the wall clock are of the machine as it was.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../../e2e/demo/processes.ts";
import { machine } from "../machine.ts";
import { sharedDaemon } from "./connections.ts";
import { oneDaemon } from "./daemon.ts";
import { fanIn } from "./fan-in.ts";
import { mlflow } from "./mlflow.ts";
import { requests } from "./requests.ts";
import { markdownOf, type Section } from "./section.ts";

const PARTS: Readonly<Record<string, () => Promise<Section | Section[]>>> = {
  "one daemon": oneDaemon,
  connections: sharedDaemon,
  requests,
  mlflow,
  "fan-in": fanIn,
};
/** Between these lines of the page. */
const BEGIN = "<!-- measured -->";
const END = "<!-- end of measured -->";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const only = flags.only === "" ? Object.keys(PARTS) : flags.only.split(",");
if (flags.write && flags.only !== "") throw new Error("A part of the figures is not written.");

const load = () => loadavg()[0]?.toFixed(1);
const before = load();
const sections: Section[] = [];
for (const name of only) {
  const part = PARTS[name];
  if (part === undefined)
    throw new Error(`There is no part ${name}; there are ${Object.keys(PARTS).join(", ")}.`);
  const started = performance.now();
  sections.push(...[await part()].flat());
  process.stderr.write(`  ${name}: ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
}
const taken = {
  machine: machine(),
  date: new Date().toISOString().slice(0, 10),
  load: `${before} to ${load()}`,
};
const head = `${taken.machine}; ${taken.date}; load of the machine ${taken.load}.`;
const text = `${head}\n\n${markdownOf(sections)}`;
console.log(flags.json ? JSON.stringify({ ...taken, sections }, undefined, 2) : text);
if (flags.write) {
  const page = join(ROOT, "docs/sizing.md");
  const [above, rest] = readFileSync(page, "utf8").split(BEGIN);
  const below = rest?.split(END)[1];
  if (below === undefined) throw new Error(`${page} has no place for the figures.`);
  writeFileSync(page, `${above}${BEGIN}\n\n${text}\n\n${END}${below}`);
}
