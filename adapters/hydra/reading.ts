/** Reads YAML as OmegaConf's loader does: one document, no key twice, aliases and merges as copies. */
import { parseDocument } from "yaml";
import type { Allowance } from "./limits.ts";
import { MappingNode, type SequenceNode } from "./nodes.ts";
import { Findings } from "./problems.ts";
import { Reader } from "./reader.ts";
import { tabOf } from "./tabs.ts";

/** A character that PyYAML refuses wherever it stands. */
const FORBIDDEN = /[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;

/** What stands in a text; `root` is empty where it is no YAML. */
export interface Read {
  readonly root: MappingNode | SequenceNode;
  readonly findings: Findings;
}

/** Reads a text. Throws LimitPassed. */
export function readYaml(text: string, allowance: Allowance): Read {
  const findings = new Findings();
  const odd = FORBIDDEN.exec(text);
  if (odd !== null) {
    const code = (odd[0].codePointAt(0) ?? 0).toString(16).padStart(4, "0");
    syntax(
      findings,
      `holds the character U+${code.toUpperCase()}, which YAML forbids`,
      odd.index,
      odd.index + 1,
    );
    return { root: new MappingNode(undefined), findings };
  }
  const tab = tabOf(text);
  if (tab !== undefined) {
    syntax(findings, "has a tab where YAML 1.1 wants spaces", tab, tab + 1);
    return { root: new MappingNode(undefined), findings };
  }
  const document = parseDocument(text, {
    schema: "failsafe",
    version: "1.1",
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "error",
    resolveKnownTags: false,
  });
  const [fault] = document.errors;
  if (fault !== undefined) {
    syntax(findings, `is no YAML: ${fault.message}`, ...fault.pos);
    return { root: new MappingNode(undefined), findings };
  }
  return { root: new Reader(findings, allowance, text).root(document), findings };
}

function syntax(findings: Findings, what: string, start: number, end: number): void {
  findings.add({
    code: "syntax",
    path: "",
    message: `The text ${what.slice(0, 300)}${/[.!?]$/.test(what) ? "" : "."}`,
    mend: "Mend the YAML at this place.",
    span: { start, end: Math.max(start, end) },
    isError: true,
  });
}
