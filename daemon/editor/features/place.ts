/** Between the client's positions and the references of a file. */
import type { Position, Range, TextEdit as WireEdit, WorkspaceEdit } from "vscode-languageserver/node";
import type { Reference, Span, TextEdit } from "../references/reference.ts";
import type { OpenFile } from "./feature.ts";

export function rangeOf(file: OpenFile, { from, to }: Span): Range {
  return { start: file.document.positionAt(from), end: file.document.positionAt(to) };
}

export function spanOf(file: OpenFile, { start, end }: Range): Span {
  return { from: file.document.offsetAt(start), to: file.document.offsetAt(end) };
}

/** What stands at a position, or right before it. */
export async function referenceAt(
  file: OpenFile,
  at: Position,
  signal: AbortSignal,
): Promise<Reference | undefined> {
  const offset = file.document.offsetAt(at);
  const references = await referencesOf(file, signal);
  return references.find(({ span }) => span.from <= offset && offset <= span.to);
}

export async function referencesOf(file: OpenFile, signal: AbortSignal): Promise<readonly Reference[]> {
  return file.source === undefined ? [] : (await file.source.outline(signal)).references;
}

/** True when the two have a place in common; an empty one lies in what it touches. */
export function touches(one: Span, other: Span): boolean {
  return one.from <= other.to && other.from <= one.to;
}

function wireEdits(file: OpenFile, edits: readonly TextEdit[]): WireEdit[] {
  return edits.map((edit) => ({ range: rangeOf(file, edit), newText: edit.insert }));
}

/** Edits of one file, as a code action carries them. */
export function changes(file: OpenFile, edits: readonly TextEdit[]): WorkspaceEdit {
  return { changes: { [file.uri]: wireEdits(file, edits) } };
}
