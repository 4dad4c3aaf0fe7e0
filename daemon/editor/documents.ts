/** The files that are open in the editor. */
import type { TextDocumentContentChangeEvent } from "vscode-languageserver-textdocument";
import type { Log } from "./log.ts";
import { EditedFile, MAX_ANALYSED } from "./open-file.ts";
import type { DidChangeParams, DidOpenParams } from "./params.ts";
import type { SourceFile } from "./references/reference.ts";

export interface DocumentsOptions {
  readonly log: Log;
  /** Opens the source of a text; undefined for a language that has no references. */
  openSource(languageId: string, text: string): SourceFile | undefined;
  /** The text of a file is new or another one. */
  changed(file: EditedFile): void;
  closed(file: EditedFile): void;
}

export class Documents {
  readonly #files = new Map<string, EditedFile>();
  /** Files of which it was told that they are too long. */
  readonly #told = new Set<string>();
  readonly #options: DocumentsOptions;

  constructor(options: DocumentsOptions) {
    this.#options = options;
  }

  get(uri: string): EditedFile | undefined {
    return this.#files.get(uri);
  }

  all(): readonly EditedFile[] {
    return [...this.#files.values()];
  }

  open({ textDocument }: DidOpenParams): void {
    const { log, changed, openSource } = this.#options;
    const { uri, languageId } = textDocument;
    const before = this.#files.get(uri);
    if (before !== undefined) log.warn(`${uri} was opened twice; the later text counts.`);
    before?.end();
    const file = new EditedFile(textDocument, (text) => openSource(languageId, text));
    this.#files.set(uri, file);
    this.#tellLength(file);
    changed(file);
  }

  change({ textDocument, contentChanges }: DidChangeParams): void {
    const { log, changed } = this.#options;
    const file = this.#files.get(textDocument.uri);
    if (file === undefined) {
      log.warn(`${textDocument.uri} was changed and is not open; the change is left out.`);
      return;
    }
    if (textDocument.version < file.version) {
      log.warn(`${file.uri} went from version ${file.version} back to ${textDocument.version}.`);
    }
    file.change(contentChanges as TextDocumentContentChangeEvent[], textDocument.version);
    this.#tellLength(file);
    changed(file);
  }

  close(uri: string): void {
    const { log, closed } = this.#options;
    const file = this.#files.get(uri);
    if (file === undefined) {
      log.warn(`${uri} was closed and is not open.`);
      return;
    }
    file.end();
    this.#files.delete(uri);
    this.#told.delete(uri);
    closed(file);
  }

  #tellLength(file: EditedFile): void {
    if (!file.tooLong || this.#told.has(file.uri)) return;
    this.#told.add(file.uri);
    this.#options.log.info(
      `${file.uri} is longer than ${MAX_ANALYSED} characters; its references are not shown.`,
    );
  }
}
