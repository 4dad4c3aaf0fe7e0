/** One line of the benchmark's table. */
export interface Figure {
  readonly name: string;
  readonly ours: string;
  readonly peer: string;
  /** How ours stands to the peer, or empty. */
  readonly ratio: string;
  readonly goal: string;
  readonly met: boolean | undefined;
}

/** The median of at least one number. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The smallest of at least one number that this share of them does not exceed; NaN when one of them is. */
export function quantile(values: readonly number[], share: number): number {
  if (values.some(Number.isNaN)) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** The figures as a Markdown table. */
export function markdownTable(figures: readonly Figure[]): string {
  const header = ["figure", "ours", "peer, same run", "ratio", "goal", "met"];
  const rows = figures.map((f) => [f.name, f.ours, f.peer, f.ratio, f.goal, verdict(f.met)]);
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((c, i) => c.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [line(header), line(widths.map((w) => "-".repeat(w))), ...rows.map(line)].join("\n");
}

function verdict(met: boolean | undefined): string {
  if (met === undefined) return "";
  return met ? "yes" : "NO";
}
