import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseConfig } from "@pipekit/adapters/hydra";
import { toolPath } from "../support/tools.ts";

export const PYTHON = toolPath("python");

/** The environment of compared configs. */
const ENV = { PLAIN: "word", LOOKS: "${zz}", DOTS: "???", NUMBER: "12", "SP ACE": "x" };

/** What OmegaConf makes of a config, or why it refuses. */
export type Verdict = { readonly resolved: string } | { readonly refused: string };

/** Asks the real OmegaConf, one process for all. */
export function askOmegaConf(texts: readonly string[]): Verdict[] {
  const input = texts.map((text) => `${JSON.stringify({ text, env: ENV })}\n`).join("");
  const script = join(import.meta.dirname, "resolve_configs.py");
  const { stdout, stderr, status } = spawnSync(PYTHON, [script], {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(stderr);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** What the reader makes of it. What it leaves to the app, OmegaConf by itself refuses. */
export function ourVerdict(text: string): Verdict {
  const { problems, resolvedJson } = parseConfig({ text, env: ENV, hydraJson: "" });
  const fault = problems.find(({ isError, code }) => isError || code === "resolver");
  return fault === undefined ? { resolved: resolvedJson } : { refused: `${fault.code}: ${fault.message}` };
}

/** Configs that the two do not see alike, with what each says. */
export function differences(texts: readonly string[]): { text: string; ours: Verdict; real: Verdict }[] {
  const verdicts = askOmegaConf(texts);
  expectCount(verdicts, texts);
  return texts.flatMap((text, index) => {
    const real = verdicts[index] as Verdict;
    const ours = ourVerdict(text);
    return comparable(ours) === comparable(real) ? [] : [{ text, ours, real }];
  });
}

function expectCount(verdicts: readonly Verdict[], texts: readonly string[]): void {
  if (verdicts.length !== texts.length)
    throw new Error(`${verdicts.length} answers to ${texts.length} configs`);
}

/** Equal texts for equal verdicts: order of keys does not count, how numbers are written does. */
function comparable(verdict: Verdict): string {
  if ("refused" in verdict) return "refused";
  return JSON.stringify(JSON.parse(verdict.resolved, numberAsWritten), sortedKeys);
}

function numberAsWritten(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === "number" ? { number: context?.source } : value;
}

function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
