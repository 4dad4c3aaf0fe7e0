/** Where runs are imported from, as the daemon is to find it, whose working folder is another one. */
import { resolve } from "node:path";

/** A source with its path made absolute: a plain one, or that of `sqlite:///FILE`; other specs are absolute already. */
export function absoluteSource(source: string): string {
  const file = /^sqlite:\/\/\/([^/].*)$/i.exec(source)?.[1];
  if (file !== undefined) return `sqlite:///${resolve(file)}`;
  return /^[a-z][a-z0-9+.-]+:/i.test(source) ? source : resolve(source);
}
