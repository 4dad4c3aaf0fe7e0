/** What a JSON text says; the text itself where it is none, `empty` where there is none. */
export function parsedText(text: string, empty: unknown = {}): unknown {
  if (text === "") return empty;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** An address that a person may open: http or https, without user and password. Empty when it is none. */
export function webAddress(text: string): string {
  if (!URL.canParse(text)) return "";
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return "";
  url.username = "";
  url.password = "";
  return url.href;
}
