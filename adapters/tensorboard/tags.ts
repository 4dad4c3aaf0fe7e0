/**
 * Tags (names of series) in an event file. Ours lie below `pipekit/`, the hparams plugin's below `_hparams_/`; a metric
 * whose key would get between them is shown with a `~` before it. The mapping is one to one.
 */

export const OWN = "pipekit/";

const RESERVED = /^~*(?:pipekit\/|_hparams_\/)/;
const ESCAPED = /^~+(?:pipekit\/|_hparams_\/)/;

/** The tag that shows a metric key. */
export function tagOf(key: string): string {
  return RESERVED.test(key) ? `~${key}` : key;
}

/** The metric key that a tag shows; undefined for a tag of ours or of a plugin. */
export function keyOf(tag: string): string | undefined {
  if (!RESERVED.test(tag)) return tag;
  return ESCAPED.test(tag) ? tag.slice(1) : undefined;
}
