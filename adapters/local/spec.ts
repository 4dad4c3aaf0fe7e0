import { normalize } from "node:path";
import { SpecError } from "../tracker.ts";

const MEND = "Write it as `local:/absolute/folder`, such as `local:/srv/models`.";

/** Canonical form of `local:/abs/folder`. Throws SpecError. */
export function parseLocalSpec(spec: string): string {
  return `local:${localRoot(spec)}`;
}

/** The folder that a spec names. Throws SpecError. */
export function localRoot(spec: string): string {
  const path = spec.slice("local:".length);
  if (!spec.startsWith("local:")) throw new SpecError(`\`${spec}\` is no spec of a local registry.`, MEND);
  if (path === "") throw new SpecError(`The registry spec \`${spec}\` names no folder.`, MEND);
  if (!path.startsWith("/")) throw new SpecError(`The folder of \`${spec}\` is not absolute.`, MEND);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f]/.test(path)) throw new SpecError("A registry spec holds a control character.", MEND);
  const root = normalize(path).replace(/\/+$/, "");
  if (root === "") throw new SpecError("The root of the file system cannot be a registry.", MEND);
  return root;
}
