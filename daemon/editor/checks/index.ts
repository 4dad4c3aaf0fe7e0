/**
 * Checks of pipeline YAML and Hydra configs: what the daemon's parser finds wrong, and names that lead nowhere.
 *
 * Architecture Invariant: nothing that a workspace brings is imported or run; Python modules are looked up by reading their text.
 */
import type { ParseConfigResponse } from "@pipekit/proto";
import { type Diagnostic, DiagnosticSeverity, type Position } from "vscode-languageserver/node";
import type { View } from "../../view/index.ts";
import type { ConfigChecks, FeatureContext, OpenFile, Replacement } from "../features/feature.ts";
import { filePath } from "../file-path.ts";
import { configKind } from "./config-kind.ts";
import { checkDefaults } from "./defaults.ts";
import type { ConfigFinding } from "./finding.ts";
import { findingOf } from "./problems.ts";
import { type KnownModules, ModuleFinder } from "./python/finder.ts";
import { moduleRoots } from "./python/roots.ts";
import { checkTargets } from "./targets.ts";

const SEVERITIES = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  information: DiagnosticSeverity.Information,
  hint: DiagnosticSeverity.Hint,
} as const;

/** Longer texts are not checked, characters: the daemon's parser takes 4 MiB, and a person does not edit such a file. */
const MAX_TEXT = 1 << 20;
/** How long the roots of modules are believed, milliseconds: packages are installed while an editor is open. */
const ROOTS_MS = 10_000;
const START: Position = { line: 0, character: 0 };

/**
 * Makes the checks. A `Replacement` stands in `data` of a diagnostic for which there is a quick fix. While the daemon is away there is
 * nothing to tell.
 */
export function configChecks(
  context: Pick<FeatureContext, "view" | "settings" | "workspaceFolders" | "env">,
): ConfigChecks {
  const parse = parser(context.view);
  const modules: KnownModules = new Map();
  let roots: { readonly atMs: number; readonly finder: Promise<ModuleFinder> } | undefined;
  const finder = () => {
    if (roots === undefined || performance.now() - roots.atMs > ROOTS_MS) {
      const { workspaceFolders, settings, env } = context;
      const found = moduleRoots({ workspaceFolders, pythonPath: settings.pythonPath, env });
      roots = { atMs: performance.now(), finder: found.then((made) => new ModuleFinder(made, modules)) };
    }
    return roots.finder;
  };
  return {
    check: async (file, signal) => {
      const text = file.document.getText();
      if (file.languageId !== "yaml" || text.length > MAX_TEXT || !mayBeConfig(text)) return [];
      const parsed = await parse(file, signal);
      if (parsed === undefined) return [];
      const path = filePath(file.uri);
      const kind = await configKind(text, parsed.nodes, path, context.workspaceFolders);
      if (kind === "none") return [];
      const findings = [
        ...parsed.problems.flatMap((problem) => findingOf(problem, kind, text) ?? []),
        ...(await checkTargets(parsed.nodes, await finder(), signal)),
        ...(await checkDefaults(parsed.nodes, path, signal)),
      ];
      return findings.map(diagnostic);
    },
  };
}

/** Spares the daemon every YAML file that is no config. */
function mayBeConfig(text: string): boolean {
  return /_target_|\?\?\?|\$\{|^defaults[ \t]*:|\bmodule["']?[ \t]*:/m.test(text);
}

/** Parses files by the daemon; undefined while it is away. Tags and runs that move have a text checked again and again: its parse is kept. */
function parser({
  link,
}: View): (file: OpenFile, signal: AbortSignal) => Promise<ParseConfigResponse | undefined> {
  const kept = new WeakMap<OpenFile, { readonly text: string; readonly parsed: ParseConfigResponse }>();
  return async (file, signal) => {
    const text = file.document.getText();
    try {
      const client = await link.client(signal);
      const known = kept.get(file);
      if (known?.text === text) return known.parsed;
      const parsed = await client.configs.parse(text, { signal });
      kept.set(file, { text, parsed });
      return parsed;
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  };
}

function diagnostic({ code, message, range, severity, replaceBy }: ConfigFinding): Diagnostic {
  const data: Replacement | undefined = replaceBy === undefined ? undefined : { replaceBy };
  return {
    source: "pipekit",
    code,
    message,
    range: { start: range?.start ?? START, end: range?.end ?? START },
    severity: SEVERITIES[severity],
    ...(data !== undefined && { data }),
  };
}
