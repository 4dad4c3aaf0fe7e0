import type { Cut } from "./cut.ts";
import type { Pin } from "./facts.ts";
import { looseKind } from "./forms.ts";
import type { CallSite, Outline, Reference, Slot, Span } from "./reference.ts";

/** A string of a file, and what it names; an empty or unfinished one too. */
export interface NamedString {
  readonly kind: Slot["kind"];
  readonly text: string;
  readonly span: Span;
  readonly certain: boolean;
  /** False while its last quote is missing. */
  readonly closed: boolean;
  readonly registry: string | undefined;
  /** It stands where such a name belongs, so that names are offered there. */
  readonly special: boolean;
}

/** What was found in a file. Both in the order of the text. */
export interface Found {
  readonly strings: readonly NamedString[];
  readonly calls: readonly CallSite[];
  readonly pins: readonly Pin[];
}

/** Of strings that stand nowhere special; more than so many are no references. */
const MOST_LOOSE = 20_000;

export function byPlace<T extends { readonly span: Span }>(items: readonly T[]): T[] {
  return items.toSorted((a, b) => a.span.from - b.span.from);
}

export function pinsOf(
  statements: readonly { readonly cut: Cut; readonly facts: { readonly pins: readonly Pin[] } }[],
): Pin[] {
  const found: Pin[] = [];
  for (const { cut, facts } of statements) {
    for (const { text, lineFrom, at } of facts.pins) {
      found.push({ text, lineFrom: cut.from + lineFrom, at: cut.from + at });
    }
  }
  return found;
}

export function outlineOf({ strings, calls, pins }: Found): Outline {
  const references: Reference[] = [];
  let loose = 0;
  let pin = 0;
  for (const { kind, text, span, certain, closed, registry } of strings) {
    if (kind === "sink" || kind === "registry" || !closed || text === "") continue;
    if (!certain && (looseKind(text) === undefined || ++loose > MOST_LOOSE)) continue;
    while ((pins[pin]?.at ?? Number.POSITIVE_INFINITY) < span.from) pin += 1;
    const comment = pins[pin];
    const pinned = comment !== undefined && comment.lineFrom <= span.from && span.to <= comment.at;
    references.push({
      kind,
      text,
      span,
      certain,
      registry,
      ...(pinned && kind === "model" && { pinnedFrom: comment.text }),
    });
  }
  return { references, calls };
}

/** A character of a ref or a spec, for the end of a string that has none. */
const NAME_CHARACTER = /[A-Za-z0-9._@~:/?&=%+-]/;

export function slotIn({ strings }: Found, text: string, offset: number): Slot | undefined {
  const found = strings.findLast(({ span }) => span.from <= offset);
  if (found === undefined || offset > found.span.to || !found.special) return undefined;
  const { kind, registry, closed, span } = found;
  let { to } = span;
  if (!closed) {
    to = offset;
    while (to < span.to && NAME_CHARACTER.test(text.charAt(to))) to += 1;
  }
  return { kind, typed: text.slice(span.from, offset), span: { from: span.from, to }, registry };
}
