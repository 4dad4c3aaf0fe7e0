import { openSource } from "../../daemon/editor/references/index.ts";
import type { Outline, Slot, SourceFile, SourceLanguage } from "../../daemon/editor/references/reference.ts";

export function opened(language: SourceLanguage, text: string): SourceFile {
  const source = openSource(language, text);
  if (source === undefined) throw new Error("The text is too long.");
  return source;
}

/** `model production in s3://b/x/ pinned from production@7`; a question mark behind the kind where it is not certain. */
export async function referencesIn(language: SourceLanguage, text: string): Promise<string[]> {
  const { references } = await opened(language, text).outline();
  return references.map((one) => {
    const where = one.registry === undefined ? "" : ` in ${one.registry || "the daemon's own"}`;
    const pin = one.pinnedFrom === undefined ? "" : ` pinned from ${one.pinnedFrom}`;
    return `${one.kind}${one.certain ? "" : "?"} ${one.text}${where}${pin}`;
  });
}

/** Only those that are certain. */
export async function certainIn(language: SourceLanguage, text: string): Promise<string[]> {
  return (await referencesIn(language, text)).filter((one) => !/^\w+\?/.test(one));
}

export async function callsIn(language: SourceLanguage, text: string): Promise<string[]> {
  const { calls } = await opened(language, text).outline();
  return calls.map(
    ({ kind, span, argument }) => `${kind} ${text.slice(span.from, span.to)} ${argument ?? "-"}`,
  );
}

/** The slot at `|`: its kind, what is typed, and the whole of its span. */
export async function slotIn(language: SourceLanguage, marked: string): Promise<string | undefined> {
  const offset = marked.indexOf("|");
  const text = marked.slice(0, offset) + marked.slice(offset + 1);
  const slot: Slot | undefined = await opened(language, text).slotAt(offset);
  if (slot === undefined) return undefined;
  const where = slot.registry === undefined ? "" : ` in ${slot.registry || "the daemon's own"}`;
  return `${slot.kind} ${JSON.stringify(slot.typed)} of ${JSON.stringify(text.slice(slot.span.from, slot.span.to))}${where}`;
}

/** Throws unless each span lies in the text and holds what was read there. */
export function checkSpans(text: string, { references, calls }: Outline): void {
  let last = -1;
  for (const { span, text: read } of references) {
    const written = text.slice(span.from, span.to);
    if (span.from < last || span.to > text.length || span.from > span.to)
      throw new Error("A span lies outside.");
    // Escapes are written in another way than they are read.
    if (!written.includes("\\") && !written.includes("''") && written !== read) {
      throw new Error(`${JSON.stringify(written)} was read as ${JSON.stringify(read)}`);
    }
    last = span.from;
  }
  for (const { span } of calls)
    if (span.to > text.length || span.from > span.to) throw new Error("A call lies outside.");
}
