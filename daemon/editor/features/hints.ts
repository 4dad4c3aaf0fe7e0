/** Beside a tag, the model that it leads to now; beside a pinned hash, the names that lead to it. */
import type { InlayHint, Range } from "vscode-languageserver/node";
import type { Reference } from "../references/reference.ts";
import type { OpenFile } from "./feature.ts";
import type { Knowledge } from "./knowledge.ts";
import { lookUp } from "./lookup.ts";
import { referencesOf, spanOf, touches } from "./place.ts";
import { age, ago, named, short } from "./words.ts";

const MOST_NAMES = 3;

export async function inlayHints(
  knowledge: Knowledge,
  file: OpenFile,
  range: Range,
  signal: AbortSignal,
): Promise<InlayHint[]> {
  if (!knowledge.context.settings.inlayHints) return [];
  const shown = spanOf(file, range);
  return (await referencesOf(file, signal))
    .filter(({ certain, kind, span }) => certain && kind !== "run" && touches(span, shown))
    .flatMap((reference) => hintOf(knowledge, file, reference) ?? []);
}

function hintOf(knowledge: Knowledge, file: OpenFile, reference: Reference): InlayHint | undefined {
  const index = knowledge.settled(knowledge.registryOf(reference.registry));
  if (index === undefined) return undefined;
  const found = lookUp(index, reference.text);
  if (found.kind !== "model") return undefined;
  const { hash, model, move, ref } = found;
  const now = knowledge.context.now();
  const position = file.document.positionAt(behindQuotes(file, reference.span.to));
  const hint = { position, paddingLeft: true };
  if (ref.kind === "hash" || ref.kind === "prefix") {
    const names = index
      .tags()
      .filter((tag) => tag.hash === hash)
      .map((tag) => tag.name);
    if (names.length === 0) return undefined;
    const more = names.length > MOST_NAMES ? ` + ${names.length - MOST_NAMES}` : "";
    return { ...hint, label: names.slice(0, MOST_NAMES).join(", ") + more, tooltip: named(hash, model) };
  }
  if (move === undefined) return { ...hint, label: short(hash), tooltip: named(hash, model) };
  const who = move.actor === "" ? "" : ` by ${move.actor}`;
  return {
    ...hint,
    label: `${short(hash)} · ${age(move.atUs, now)}`,
    tooltip: `${named(hash, model)}, ${move.name}@${move.seq}${who}, ${ago(move.atUs, now)}`,
  };
}

/** After the quotes that end the string, if there are any. */
function behindQuotes(file: OpenFile, offset: number): number {
  const text = file.source?.text ?? "";
  const quote = text[offset] ?? "";
  if (quote !== '"' && quote !== "'" && quote !== "`") return offset;
  return text.startsWith(quote.repeat(3), offset) ? offset + 3 : offset + 1;
}
