import { CST, Lexer } from "yaml";

/** Where a tab stands that PyYAML refuses: outside of quotes, block texts and comments. Undefined for none. */
export function tabOf(text: string): number | undefined {
  if (!text.includes("\t")) return undefined;
  let offset = 0;
  /** What comes after a marker of the lexer is a scalar without quotes. */
  let scalar: "none" | "plain" | "block" = "none";
  let afterHeader = false;
  for (const source of new Lexer().lex(text)) {
    if (source === CST.DOCUMENT || source === CST.FLOW_END) continue;
    if (source === CST.SCALAR) {
      scalar = afterHeader ? "block" : "plain";
      afterHeader = false;
      continue;
    }
    const kind: CST.TokenType | null = CST.tokenType(source);
    const at = source.indexOf("\t");
    if (at !== -1 && (scalar === "plain" || (scalar === "none" && kind === "space"))) return offset + at;
    if (scalar === "none" && kind === "block-scalar-header") afterHeader = true;
    scalar = "none";
    offset += source.length;
  }
  return undefined;
}
