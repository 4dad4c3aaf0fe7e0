/**
 * What a hover shows, apart from how: a title, facts, notes; as Markdown or as plain text.
 *
 * Names, reasons and errors come from users and tools. In Markdown they are text and nothing else: no link, no HTML, no
 * end of a code span.
 */
import { type MarkupContent, MarkupKind } from "vscode-languageserver/node";
import { webAddress } from "../../view/documents/texts.ts";
import { clipped } from "./words.ts";

/** Plain words; a name or hash as code; an address that can be opened. */
export type Piece = string | { readonly code: string } | { readonly link: string };

/** A fact: its label, and what it says. */
export interface Fact {
  readonly label: string;
  readonly pieces: readonly Piece[];
}

export interface Card {
  readonly title: readonly Piece[];
  readonly facts: readonly Fact[];
  /** Sentences about how far this is to be trusted. */
  readonly notes: readonly string[];
}

const LONGEST = 300;

/** Writes a card in the form that the client shows. */
export function content({ title, facts, notes }: Card, markdown: boolean): MarkupContent {
  if (!markdown) {
    const lines = facts.map(({ label, pieces }) => `${label}: ${pieces.map(plain).join("")}`);
    return {
      kind: MarkupKind.PlainText,
      value: [title.map(plain).join(""), ...lines, ...notes.map(plain)].join("\n"),
    };
  }
  const list = facts.map(({ label, pieces }) => `- ${label}: ${pieces.map(marked).join("")}`).join("\n");
  const parts = [title.map(marked).join(""), list, ...notes.map((note) => `*${marked(note)}*`)];
  return { kind: MarkupKind.Markdown, value: parts.filter((part) => part !== "").join("\n\n") };
}

/** Pieces with a separator in between. */
export function joined(groups: readonly (readonly Piece[])[], separator: string): Piece[] {
  return groups.flatMap((group, index) => (index === 0 ? group : [separator, ...group]));
}

function plain(piece: Piece): string {
  if (typeof piece === "string") return clipped(piece, LONGEST);
  return "code" in piece ? clipped(piece.code, LONGEST) : piece.link;
}

function marked(piece: Piece): string {
  if (typeof piece === "string") return escaped(clipped(piece, LONGEST));
  if ("code" in piece) return codeSpan(clipped(piece.code, LONGEST));
  const address = webAddress(piece.link);
  // What `URL` writes holds no `<`, `>` or blank, so that the brackets end where they should.
  return address === "" || /[<>\s\\]/.test(address) ? codeSpan(piece.link) : `<${address}>`;
}

/** Text that Markdown takes for text; what is harmless stays as it is, for clients that show Markdown as it is written. */
function escaped(text: string): string {
  return text
    .replaceAll(/[\\`*_[\]<>&~|!$@]/g, "\\$&")
    .replaceAll("://", "\\://")
    .replaceAll(/\bwww\./gi, (www) => `${www.slice(0, -1)}\\.`);
}

/** A code span ends at a row of as many backticks as it begins with, so that more are taken than the text has in a row. */
function codeSpan(text: string): string {
  if (text.trim() === "") return "";
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((row) => row.length));
  const fence = "`".repeat(longest + 1);
  return longest === 0 ? `${fence}${text}${fence}` : `${fence} ${text} ${fence}`;
}
