import type { Parser } from "@lezer/common";
import { parser as scriptParser } from "@lezer/javascript";
import { parser as pythonParser } from "@lezer/python";
import { parser as yamlParser } from "@lezer/yaml";
import type { Cut, Cutter } from "./cut.ts";
import type { Found } from "./found.ts";
import { pythonCuts } from "./python-cuts.ts";
import { PythonReader } from "./python-facts.ts";
import type { SourceLanguage } from "./reference.ts";
import { resolve } from "./resolving.ts";
import { scriptCuts } from "./script-cuts.ts";
import { ScriptReader } from "./script-facts.ts";
import type { Visitor } from "./walking.ts";
import { yamlCuts } from "./yaml-cuts.ts";
import { YamlReader } from "./yaml-facts.ts";
import { resolveYaml } from "./yaml-resolving.ts";

/** How the files of a language are read: cut into statements, each parsed and read by itself, and put together. */
export interface Language<F> {
  readonly parser: Parser;
  readonly cuts: Cutter;
  /** Visits the tree of a statement; its facts are whole then. */
  reader(text: string): Visitor & { readonly facts: F };
  resolve(statements: readonly { readonly cut: Cut; readonly facts: F }[]): Found;
}

/** Calls back with the language: each has facts of its own kind. */
export function inLanguage<R>(language: SourceLanguage, use: <F>(read: Language<F>) => R): R {
  switch (language) {
    case "python":
      return use({
        parser: pythonParser,
        cuts: pythonCuts,
        reader: (text) => new PythonReader(text),
        resolve,
      });
    case "yaml":
      return use({
        parser: yamlParser,
        cuts: yamlCuts,
        reader: (text) => new YamlReader(text),
        resolve: resolveYaml,
      });
    default:
      return use({
        parser: scriptParser.configure({ dialect: DIALECTS[language] }),
        cuts: scriptCuts,
        reader: (text) => new ScriptReader(text),
        resolve,
      });
  }
}

const DIALECTS = {
  typescript: "ts",
  typescriptreact: "ts jsx",
  javascript: "jsx",
  javascriptreact: "jsx",
} as const;
