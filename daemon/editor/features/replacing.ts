/** Quick fixes of diagnostics that know what was meant, such as a `_target_` that is misspelt. */
import { type CodeAction, CodeActionKind, type Diagnostic } from "vscode-languageserver/node";
import { z } from "zod";
import type { Span } from "../references/reference.ts";
import type { OpenFile } from "./feature.ts";
import { changes, spanOf } from "./place.ts";
import { SOURCE } from "./problem.ts";
import { scalar } from "./yaml-scalar.ts";

/** It went to the client and came back. */
const REPLACEMENT = z.object({ replaceBy: z.string().min(1).max(1000) });

export function replacements(file: OpenFile, diagnostics: readonly Diagnostic[]): CodeAction[] {
  return diagnostics.flatMap((diagnostic) => {
    const read = REPLACEMENT.safeParse(diagnostic.data);
    if (diagnostic.source !== SOURCE || !read.success) return [];
    const { replaceBy } = read.data;
    const span = withinQuotes(file, spanOf(file, diagnostic.range));
    return {
      title: `Change to ${replaceBy}`,
      kind: CodeActionKind.QuickFix,
      isPreferred: true,
      diagnostics: [diagnostic],
      edit: changes(file, [{ ...span, insert: scalar(file, span, replaceBy) }]),
    };
  });
}

function withinQuotes(file: OpenFile, { from, to }: Span): Span {
  const isQuoted = /^(["']).*\1$/s.test(file.document.getText().slice(from, to));
  return isQuoted ? { from: from + 1, to: to - 1 } : { from, to };
}
