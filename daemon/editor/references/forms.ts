/** Forms that texts have. The grammar of refs is that of the registry (proto/ref.ts). */

const REF = /^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,127}(?:[@~][1-9][0-9]{0,14})?$/;
const HEX = /^[0-9a-fA-F]{8,}$/;
const RUN_ID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const LONGEST = 144;
/** At the end of a comment, which may say something else before. */
export const PIN = /(?:#|\/\/)[ \t]*pipekit:[ \t]*(\S+@[1-9][0-9]{0,14})\s*$/;

/** A statement with more strings that may name something is a table. */
export const MOST_STRINGS = 2000;

/** What a string that stands nowhere special may name. */
export function looseKind(text: string): "model" | "run" | undefined {
  if (text.length > LONGEST || text.length < 2) return undefined;
  if (RUN_ID.test(text)) return "run";
  if (HEX.test(text)) return text.length <= 64 ? "model" : undefined;
  // A number is hardly a name.
  return REF.test(text) && /[A-Za-z]/.test(text) ? "model" : undefined;
}

export function isRunId(text: string): boolean {
  return RUN_ID.test(text);
}

/** A hash, or a prefix of one. */
export function isHashLike(text: string): boolean {
  return HEX.test(text) && text.length <= 64;
}

/** The ref in a comment that ends with `# pipekit: production@7`. */
export function pinIn(comment: string): string | undefined {
  const ref = PIN.exec(comment)?.[1];
  return ref !== undefined && REF.test(ref) ? ref : undefined;
}
