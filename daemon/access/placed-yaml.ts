/** YAML whose parts can be pointed at: for files that people write, and are told where they are wrong. */

/** A document that was read. */
export interface PlacedYaml {
  readonly values: unknown;
  /** Line of the value under a path of keys, from 1; undefined where there is none. */
  readonly lineOf: (path: readonly PropertyKey[]) => number | undefined;
}

/** Why a text is no YAML: the parser's code and the line. */
export interface YamlFault {
  readonly code: string;
  readonly line: number;
}

export async function readYaml(text: string): Promise<PlacedYaml | { readonly fault: YamlFault }> {
  // Loaded only when there is a file: it costs start time. The default export, because a bundler does not see the
  // named ones of a CommonJS package that is loaded late.
  const { isNode, LineCounter, parseDocument } = (await import("yaml")).default;
  const lines = new LineCounter();
  // A warning would show a part of the file, which may hold a secret.
  const document = parseDocument(text, { lineCounter: lines, logLevel: "error" });
  const error = document.errors[0];
  if (error !== undefined) return { fault: { code: error.code, line: lines.linePos(error.pos[0]).line } };
  const lineOf = (path: readonly PropertyKey[]) => {
    const node = document.getIn(path, true);
    return isNode(node) && node.range ? lines.linePos(node.range[0]).line : undefined;
  };
  try {
    return { values: document.toJS(), lineOf };
  } catch {
    // Aliases of aliases, whose value would fill the memory, and names that no anchor has.
    return { fault: { code: "BAD_ALIAS", line: 1 } };
  }
}
