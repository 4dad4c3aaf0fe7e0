/**
 * Finds what stands in a source file about models and runs, by the grammar of its language.
 *
 * Architecture Invariant: what a file says depends on its text alone. A text is cut into statements, each is parsed by
 * itself, and what they tell is put together; so any series of edits gives what a fresh read gives.
 */
import { inLanguage } from "./language.ts";
import type { SourceFile, SourceLanguage } from "./reference.ts";
import { EditedSource } from "./source.ts";

export type {
  CallSite,
  LineEnd,
  Outline,
  Reference,
  Slot,
  SourceFile,
  SourceLanguage,
  Span,
  TextEdit,
} from "./reference.ts";

/** Longer texts, in characters, are no files that somebody edits. */
const LONGEST = 16 * 1024 * 1024;

const LANGUAGES: ReadonlyMap<string, SourceLanguage> = new Map([
  ["python", "python"],
  ["typescript", "typescript"],
  ["javascript", "javascript"],
  ["typescriptreact", "typescriptreact"],
  ["javascriptreact", "javascriptreact"],
  ["yaml", "yaml"],
  // As other editors call them.
  ["typescript.tsx", "typescriptreact"],
  ["javascript.jsx", "javascriptreact"],
]);

/** The language of a file, by its id in the editor; undefined for one that has no references. */
export function languageOf(languageId: string): SourceLanguage | undefined {
  return LANGUAGES.get(languageId);
}

/** A file as it is opened; undefined for one that is too long to read. */
export function openSource(language: SourceLanguage, text: string): SourceFile | undefined {
  if (text.length > LONGEST) return undefined;
  return inLanguage(language, (read): SourceFile => new EditedSource(read, text));
}
