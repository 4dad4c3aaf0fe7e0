/** The seam between the language server (which knows the wire) and the features (which know models and runs). */

import type {
  CodeAction,
  CodeLens,
  CompletionList,
  Diagnostic,
  DocumentLink,
  Hover,
  InlayHint,
  Position,
  Range,
  WorkspaceSymbol,
} from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { View } from "../../view/index.ts";
import type { SourceFile } from "../references/reference.ts";

/** What a user may set, under `pipekit` in the editor's settings or in the initialization options. */
export interface EditorSettings {
  /** Spec of the registry that refs are looked up in where a file names none; empty for the daemon's own. */
  readonly registry: string;
  readonly inlayHints: boolean;
  readonly codeLens: boolean;
  readonly diagnostics: boolean;
  /** Folders in which `_target_` and `module` are looked for, besides the workspace and its virtual environment. */
  readonly pythonPath: readonly string[];
}

/** An open file. */
export interface OpenFile {
  readonly uri: string;
  readonly languageId: string;
  readonly version: number;
  /** Positions to offsets, and back. */
  readonly document: TextDocument;
  /** References; undefined for a language that has none. */
  readonly source: SourceFile | undefined;
  /** When the file was last written to disk, Unix microseconds; undefined for one that is only in the editor. */
  writtenAtUs(): Promise<number | undefined>;
}

/** What features may use. */
export interface FeatureContext {
  readonly view: View;
  readonly settings: EditorSettings;
  /** Absolute paths. */
  readonly workspaceFolders: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** False for a client whose hovers show plain text only. Default true. */
  readonly markdown?: boolean | undefined;
  /** Asks the person; resolves to the title chosen, or undefined. */
  ask(message: string, choices: readonly string[]): Promise<string | undefined>;
  tell(level: "info" | "warning" | "error", message: string): void;
  /** Asks the person for a line of text where the editor can; undefined where it cannot or the person will not. */
  askText?(prompt: string): Promise<string | undefined>;
  /** Diagnostics, hints and lenses of open files may be other ones now. */
  changed(): void;
  /** Unix microseconds. */
  now(): number;
}

/** Every answer is made from what is known; a daemon that is away gives less, never an error. Each throws only the signal's reason. */
export interface Features {
  hover(file: OpenFile, at: Position, signal: AbortSignal): Promise<Hover | null>;
  complete(file: OpenFile, at: Position, signal: AbortSignal): Promise<CompletionList | null>;
  diagnostics(file: OpenFile, signal: AbortSignal): Promise<Diagnostic[]>;
  inlayHints(file: OpenFile, range: Range, signal: AbortSignal): Promise<InlayHint[]>;
  links(file: OpenFile, signal: AbortSignal): Promise<DocumentLink[]>;
  lenses(file: OpenFile, signal: AbortSignal): Promise<CodeLens[]>;
  actions(
    file: OpenFile,
    range: Range,
    diagnostics: readonly Diagnostic[],
    signal: AbortSignal,
  ): Promise<CodeAction[]>;
  symbols(query: string, signal: AbortSignal): Promise<WorkspaceSymbol[]>;
  /**
   * Commands to announce. `execute` also knows `pipekit.showRun` and `pipekit.showModel`, which a client that has pages
   * carries out itself: announced, VS Code's client would register them a second time.
   */
  readonly commands: readonly string[];
  /** Throws PipekitError: INVALID_ARGUMENT of a command or arguments that it does not know. Other failures are told to the person. */
  execute(command: string, args: readonly unknown[], signal: AbortSignal): Promise<unknown>;
  close(): void;
}

/** In `data` of a diagnostic that knows what was meant: what to write in its range, quotes apart. */
export interface Replacement {
  readonly replaceBy: string;
}

/** Checks of pipeline YAML and Hydra configs. */
export interface ConfigChecks {
  /** Problems with ranges; none for a file that is no config. */
  check(file: OpenFile, signal: AbortSignal): Promise<Diagnostic[]>;
}
