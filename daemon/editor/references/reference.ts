/** What stands in a source file about models and runs. Offsets are UTF-16 code units from the start of the text. */

export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * A string that names a model or a run.
 *
 * `model`: a ref, such as `production`, `production@3`, a hash or its prefix. `tag`: the name of a tag that is moved or
 * looked at (`registry.tag(hash, "production")`, `registry.history("production")`). `run`: a run id.
 */
export interface Reference {
  readonly kind: "model" | "tag" | "run";
  /** As written, escapes undone. */
  readonly text: string;
  /** The text between the quotes. */
  readonly span: Span;
  /** False for a string that stands nowhere special: it is a reference only if something of that name exists. */
  readonly certain: boolean;
  /** Spec of the registry, where the file tells it, such as `s3://bucket/models/`; undefined for the editor's own setting. */
  readonly registry: string | undefined;
  /** Such as `production@7` in a comment `# pipekit: production@7` at the end of the line: where a pinned hash came from. */
  readonly pinnedFrom?: string;
}

/** A call that a code lens stands over. */
export interface CallSite {
  readonly kind: "start_run" | "load" | "store";
  readonly span: Span;
  /** Name of the run, or the ref, where it is a plain string. */
  readonly argument: string | undefined;
  readonly registry: string | undefined;
}

/** What stands in a file, in the order of the text. */
export interface Outline {
  readonly references: readonly Reference[];
  readonly calls: readonly CallSite[];
}

/** What may be typed at a place. */
export interface Slot {
  readonly kind: "model" | "tag" | "run" | "registry" | "sink";
  /** What is typed already, from its start to the cursor, and to the end of the string. */
  readonly typed: string;
  readonly span: Span;
  readonly registry: string | undefined;
}

/** Replaces [from, to) of the text before it by `insert`. */
export interface TextEdit {
  readonly from: number;
  readonly to: number;
  readonly insert: string;
}

export type SourceLanguage =
  | "python"
  | "typescript"
  | "javascript"
  | "typescriptreact"
  | "javascriptreact"
  | "yaml";

/**
 * What a comment at the end of a line would be: one of its own (`code`), a part of the one that is there (`comment`), or
 * `text` of something that goes on there: a string, a block scalar, JSX, a block comment, a continued line.
 */
export interface LineEnd {
  /** Before the line break. */
  readonly at: number;
  readonly kind: "code" | "comment" | "text";
}

/** A file that is being edited. Parses what changed, in slices, so that nothing else has to wait. */
export interface SourceFile {
  readonly text: string;
  /** One edit after another. */
  edit(edits: readonly TextEdit[]): void;
  /** Throws the signal's reason. Broken code gives what could be read of it. */
  outline(signal?: AbortSignal): Promise<Outline>;
  slotAt(offset: number, signal?: AbortSignal): Promise<Slot | undefined>;
  /** The end of the line that the offset lies in; pins write a comment there. */
  lineEnd(offset: number, signal?: AbortSignal): Promise<LineEnd>;
}
