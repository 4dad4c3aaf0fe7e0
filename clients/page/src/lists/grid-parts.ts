/** Columns and rows of a list that is a grid. */
import { type Child, element } from "../dom.ts";

export interface Column<T> {
  readonly title: string;
  /** A track of CSS grid: `2fr`, `7rem`, ... */
  readonly width: string;
  cell(item: T): Child;
}

/** A column that shows which rows are selected. */
export function markColumn<T>(isSelected: (item: T) => boolean): Column<T> {
  const cell = (item: T) => {
    const marked = isSelected(item);
    return element("span", { class: "mark", "data-marked": marked, "aria-hidden": true }, marked && "✓");
  };
  return { title: "Selected", width: "2.25rem", cell };
}

export function headRow<T>(columns: readonly Column<T>[]): HTMLElement {
  const titles = columns.map(({ title }, index) =>
    element("div", { role: "columnheader", "aria-colindex": index + 1 }, title),
  );
  return element("div", { role: "row", class: "list-row", "aria-rowindex": 1 }, ...titles);
}

export function emptyRow(columns: number): HTMLElement {
  const cells = Array.from({ length: columns }, (_, index) =>
    element("div", { role: "gridcell", "aria-colindex": index + 1 }),
  );
  return element("div", { role: "row", class: "list-row" }, ...cells);
}
