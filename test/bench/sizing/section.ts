/** A part of what the sizing page shows: a table and what is to be known about it. */

export interface Section {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** A sentence below the table. */
  readonly note?: string;
}

/** Markdown of sections, with headings of the third level. */
export function markdownOf(sections: readonly Section[]): string {
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return sections
    .map(({ title, header, rows, note }) => {
      const table = [row(header), row(header.map(() => "---")), ...rows.map(row)].join("\n");
      return `### ${title}\n\n${table}${note === undefined ? "" : `\n\n${note}`}`;
    })
    .join("\n\n");
}

/** A straight line through points, by least squares. */
export function lineThrough(points: readonly { readonly x: number; readonly y: number }[]): {
  readonly at0: number;
  readonly slope: number;
} {
  const mean = (of: (point: { x: number; y: number }) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x0, y0] = [mean(({ x }) => x), mean(({ y }) => y)];
  const slope = mean(({ x, y }) => (x - x0) * (y - y0)) / mean(({ x }) => (x - x0) ** 2);
  return { at0: y0 - slope * x0, slope };
}
