import { stat } from "node:fs/promises";
import { unlessAborted } from "@pipekit/proto";
import { TextDocument, type TextDocumentContentChangeEvent } from "vscode-languageserver-textdocument";
import type { OpenFile } from "./features/feature.ts";
import { filePath } from "./file-path.ts";
import type { SourceFile, TextEdit } from "./references/reference.ts";

/** Characters; references of a longer file are not looked for: it is data, and parsing it would cost everyone. */
export const MAX_ANALYSED = 2 << 20;

/** Opens the source of a text; undefined for a language that has no references. */
export type OpenSource = (text: string) => SourceFile | undefined;

/** A file in the editor, and the work that goes on about its text of now. */
export class EditedFile implements OpenFile {
  readonly document: TextDocument;
  source: SourceFile | undefined;
  readonly #openSource: OpenSource;
  readonly #work = new Set<AbortController>();

  constructor(
    opened: {
      readonly uri: string;
      readonly languageId: string;
      readonly version: number;
      readonly text: string;
    },
    openSource: OpenSource,
  ) {
    this.document = TextDocument.create(opened.uri, opened.languageId, opened.version, opened.text);
    this.#openSource = openSource;
    this.#analyse();
  }

  get uri(): string {
    return this.document.uri;
  }

  get languageId(): string {
    return this.document.languageId;
  }

  get version(): number {
    return this.document.version;
  }

  /** Too long for its references to be looked for. */
  get tooLong(): boolean {
    return this.document.getText().length > MAX_ANALYSED;
  }

  /** Applies changes one after another; ends all work about the text before. Positions outside of the text count as its nearest ones. */
  change(changes: readonly TextDocumentContentChangeEvent[], version: number): void {
    this.end();
    for (const change of changes) {
      const edit = this.#edit(change);
      const { document } = this;
      // By places that are in the text: TextDocument loses count of its lines by others.
      const range = { start: document.positionAt(edit.from), end: document.positionAt(edit.to) };
      TextDocument.update(document, [{ range, text: edit.insert }], version);
      if (!this.tooLong) this.source?.edit([edit]);
    }
    if (this.tooLong === (this.source !== undefined)) this.#analyse();
  }

  /** Works on the text of now; the signal aborts when it changes, or when `cancelled` does. */
  async work<T>(cancelled: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const cancel = () => controller.abort(cancelled?.reason);
    cancelled?.addEventListener("abort", cancel);
    if (cancelled?.aborted) cancel();
    this.#work.add(controller);
    try {
      return await unlessAborted(work(controller.signal), controller.signal);
    } finally {
      this.#work.delete(controller);
      cancelled?.removeEventListener("abort", cancel);
    }
  }

  /** Ends the work that goes on. */
  end(): void {
    for (const controller of this.#work) controller.abort(new TextChanged());
  }

  async writtenAtUs(): Promise<number | undefined> {
    const path = filePath(this.uri);
    if (path === undefined) return undefined;
    try {
      const { mtimeMs } = await stat(path);
      return Math.round(mtimeMs * 1000);
    } catch {
      // It was never written.
      return undefined;
    }
  }

  #edit(change: TextDocumentContentChangeEvent): TextEdit {
    if (!("range" in change)) {
      return { from: 0, to: this.document.getText().length, insert: change.text };
    }
    const [from = 0, to = 0] = [change.range.start, change.range.end]
      .map((at) => this.document.offsetAt(at))
      .sort((a, b) => a - b);
    return { from, to, insert: change.text };
  }

  #analyse(): void {
    this.source = this.tooLong ? undefined : this.#openSource(this.document.getText());
  }
}

/** Why work about a text was ended. */
export class TextChanged extends Error {
  constructor() {
    super("The text has changed.");
  }
}
