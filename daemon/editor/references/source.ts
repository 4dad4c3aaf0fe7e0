import { unlessAborted } from "@pipekit/proto";
import { type Cut, lineEnd as endOfLine } from "./cut.ts";
import { type Found, outlineOf, slotIn } from "./found.ts";
import type { Language } from "./language.ts";
import { kindOfLineEnd, kindOutside } from "./line-ends.ts";
import { parse } from "./parsing.ts";
import type { LineEnd, Outline, Slot, SourceFile, TextEdit } from "./reference.ts";
import { type Read, Statements } from "./statements.ts";
import { Turns } from "./turns.ts";
import { walk } from "./walking.ts";

/** A file that is being edited. Statements that no edit touches are read once. */
export class EditedSource<F> implements SourceFile {
  readonly #language: Language<F>;
  #text: string;
  readonly #known = new Statements<F>();
  /** What the reading that is under way has got. */
  #progress: Read<F>[] = [];
  #edits = 0;
  #reading: Promise<Found> | undefined;
  #outline: { readonly found: Found; readonly outline: Outline } | undefined;

  constructor(language: Language<F>, text: string) {
    this.#language = language;
    this.#text = text;
  }

  get text(): string {
    return this.#text;
  }

  edit(edits: readonly TextEdit[]): void {
    if (edits.length === 0) return;
    this.#known.advance(this.#progress);
    this.#progress = [];
    for (const edit of edits) {
      this.#text = this.#text.slice(0, edit.from) + edit.insert + this.#text.slice(edit.to);
      this.#known.edit(edit);
    }
    this.#edits += 1;
    this.#reading = undefined;
  }

  async outline(signal?: AbortSignal): Promise<Outline> {
    const found = await this.#found(signal);
    if (this.#outline?.found !== found) this.#outline = { found, outline: outlineOf(found) };
    return this.#outline.outline;
  }

  async slotAt(offset: number, signal?: AbortSignal): Promise<Slot | undefined> {
    return slotIn(await this.#found(signal), this.#text, offset);
  }

  async lineEnd(offset: number, signal?: AbortSignal): Promise<LineEnd> {
    const turns = new Turns();
    for (;;) {
      signal?.throwIfAborted();
      const edits = this.#edits;
      const text = this.#text;
      const at = endOfLine(text, offset);
      const cut = this.#cutAt(at);
      if (cut === undefined) return { at, kind: kindOutside(text, at) };
      const statement = text.slice(cut.from, cut.to);
      const tree = await parse(this.#language.parser, statement, turns);
      if (edits === this.#edits) return { at, kind: kindOfLineEnd(tree, statement, at - cut.from) };
    }
  }

  #cutAt(at: number): Cut | undefined {
    const text = this.#text;
    for (const cut of this.#language.cuts(text, 0)) {
      if (cut.from > at) return undefined;
      if (at < cut.to || cut.to === text.length) return cut;
    }
    return undefined;
  }

  /** What the file holds as it is when this resolves. Callers share the work; each leaves it by its own signal. */
  async #found(signal: AbortSignal | undefined): Promise<Found> {
    for (;;) {
      signal?.throwIfAborted();
      const edits = this.#edits;
      this.#reading ??= this.#read();
      const found = await unlessAborted(this.#reading, signal);
      // What was read before an edit is no answer after it.
      if (edits === this.#edits) return found;
    }
  }

  async #read(): Promise<Found> {
    const edits = this.#edits;
    const text = this.#text;
    const turns = new Turns();
    const known = [...this.#known.head];
    const last = known.pop();
    const read = known;
    this.#progress = read;
    for (const cut of this.#language.cuts(text, last?.cut.from ?? 0)) {
      const tail = this.#known.tailAt(cut);
      if (tail.length > 0) {
        for (const statement of tail) read.push(statement);
        break;
      }
      const isLast = cut.from === last?.cut.from && cut.to === last.cut.to;
      const facts = isLast ? last.facts : await this.#readStatement(text.slice(cut.from, cut.to), turns);
      if (turns.due) await turns.pass();
      // Somebody waits for the newer text.
      if (edits !== this.#edits) return NOTHING;
      read.push({ cut, facts });
    }
    this.#progress = [];
    this.#known.replace(read);
    return this.#language.resolve(read);
  }

  async #readStatement(text: string, turns: Turns): Promise<F> {
    const tree = await parse(this.#language.parser, text, turns);
    const reader = this.#language.reader(text);
    for (const _ of walk(tree, reader)) if (turns.due) await turns.pass();
    return reader.facts;
  }
}

const NOTHING: Found = { strings: [], calls: [], pins: [] };
