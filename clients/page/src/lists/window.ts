/** Which rows of a long list are on the screen. */

export interface RowWindow {
  readonly first: number;
  /** One past the last. */
  readonly end: number;
}

/** Heights in pixels. `spare` rows more at both ends are there before they are scrolled to. */
export function rowsInSight(
  scrollTop: number,
  height: number,
  rowHeight: number,
  count: number,
  spare: number,
): RowWindow {
  const first = Math.floor(scrollTop / rowHeight) - spare;
  const end = Math.ceil((scrollTop + height) / rowHeight) + spare;
  return { first: Math.min(Math.max(0, first), count), end: Math.max(0, Math.min(count, end)) };
}

/** Where to scroll so that a row is in sight: as little as possible. */
export function scrollToRow(index: number, scrollTop: number, height: number, rowHeight: number): number {
  const top = index * rowHeight;
  if (top < scrollTop) return top;
  return Math.max(scrollTop, top + rowHeight - height);
}

/** The row that a key leads to; undefined for a key that leads nowhere. */
export function rowAfterKey(
  key: string,
  active: number,
  count: number,
  pageRows: number,
): number | undefined {
  const step: Readonly<Record<string, number>> = {
    ArrowDown: 1,
    ArrowUp: -1,
    PageDown: pageRows,
    PageUp: -pageRows,
    Home: -count,
    End: count,
  };
  const by = step[key];
  if (by === undefined || count === 0) return undefined;
  return Math.min(count - 1, Math.max(0, active + by));
}
