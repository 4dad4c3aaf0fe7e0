/** Nested documents as lines of a table. */

export type FlatLine = readonly [path: string, value: string];

/** As many lines as a person may want to read; what is beyond is counted by `flatten`'s caller as cut. */
const MOST_LINES = 5000;

/** Each leaf with the way to it: `{a: {b: [1]}}` -> `a.b.0 = 1`. Empty objects and lists are leaves. */
export function flatten(document: unknown, path = "", lines: FlatLine[] = []): FlatLine[] {
  if (lines.length >= MOST_LINES) return lines;
  const inside = typeof document === "object" && document !== null ? Object.entries(document) : [];
  for (const [key, value] of inside) flatten(value, path === "" ? key : `${path}.${key}`, lines);
  if (inside.length === 0 && (path !== "" || isLeaf(document))) lines.push([path, leafText(document)]);
  return lines;
}

function isLeaf(document: unknown): boolean {
  return document !== null && document !== undefined && typeof document !== "object";
}

function leafText(value: unknown): string {
  if (typeof value === "string") return value;
  return JSON.stringify(value) ?? "";
}

export interface Difference {
  readonly path: string;
  /** For each document; undefined where it has no such line. */
  readonly values: readonly (string | undefined)[];
  readonly same: boolean;
}

/** The lines of several documents side by side, in the order of their paths. */
export function compareLines(documents: readonly (readonly FlatLine[])[]): Difference[] {
  const maps = documents.map((lines) => new Map(lines));
  const paths = [...new Set(documents.flatMap((lines) => lines.map(([path]) => path)))].sort();
  return paths.map((path) => {
    const values = maps.map((map) => map.get(path));
    return { path, values, same: values.every((value) => value === values[0]) };
  });
}
