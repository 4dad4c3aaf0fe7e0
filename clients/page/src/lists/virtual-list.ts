/** A table of any length of which only the rows on the screen exist; used by keyboard as a grid. */
import { element, fill, freshId } from "../dom.ts";
import { type Column, emptyRow, headRow, markColumn } from "./grid-parts.ts";
import { rowAfterKey, rowsInSight, scrollToRow } from "./window.ts";

const ROW_HEIGHT = 34;
const SPARE_ROWS = 8;

export interface ListOptions<T> {
  readonly label: string;
  readonly columns: readonly Column<T>[];
  key(item: T): string;
  opened(item: T): void;
  /** Told when what is selected changes; rows can be selected when it is there. */
  readonly selected?: (keys: ReadonlySet<string>) => void;
}

interface Row<T> {
  readonly root: HTMLElement;
  item: T;
}

export class VirtualList<T> {
  readonly root: HTMLElement;
  readonly selection = new Set<string>();
  readonly #options: ListOptions<T>;
  readonly #columns: readonly Column<T>[];
  readonly #scroller: HTMLElement;
  readonly #body: HTMLElement;
  /** Rows on the screen, by index. */
  readonly #rows = new Map<number, Row<T>>();
  readonly #id = freshId("row");
  #items: readonly T[] = [];
  #active = 0;
  #drawing = 0;

  constructor(options: ListOptions<T>, life: AbortSignal) {
    this.#options = options;
    const mark = markColumn<T>((item) => this.selection.has(options.key(item)));
    this.#columns = options.selected === undefined ? options.columns : [mark, ...options.columns];
    this.#body = element("div", { role: "rowgroup", class: "list-body" });
    this.#scroller = element(
      "div",
      { class: "list-scroller", role: "presentation", tabindex: -1 },
      this.#body,
    );
    this.root = element(
      "div",
      {
        role: "grid",
        class: "list",
        tabindex: 0,
        "aria-label": options.label,
        "aria-colcount": this.#columns.length,
        "aria-multiselectable": options.selected !== undefined,
        onkeydown: (event: KeyboardEvent) => this.#pressed(event),
        onclick: (event: MouseEvent) => this.#clicked(event),
      },
      element("div", { role: "rowgroup", class: "list-head" }, headRow(this.#columns)),
      this.#scroller,
    );
    this.root.style.setProperty("--columns", this.#columns.map(({ width }) => width).join(" "));
    this.#scroller.addEventListener("scroll", () => this.#drawSoon(), { passive: true });
    const sized = new ResizeObserver(() => this.#drawSoon());
    sized.observe(this.#scroller);
    life.addEventListener("abort", () => {
      sized.disconnect();
      cancelAnimationFrame(this.#drawing);
    });
  }

  /** Shows these, in this order; rows of items that are the same objects as before stay as they are. */
  show(items: readonly T[]): void {
    const active = this.#items[this.#active];
    this.#items = items;
    this.#active = Math.max(0, active === undefined ? 0 : this.#indexOf(active));
    this.root.setAttribute("aria-rowcount", String(items.length + 1));
    this.#body.style.height = `${items.length * ROW_HEIGHT}px`;
    this.#drawSoon();
  }

  /** Writes the rows on the screen anew: ages have moved on. */
  refresh(): void {
    for (const row of this.#rows.values()) this.#write(row);
  }

  clearSelection(): void {
    this.selection.clear();
    this.#selectionChanged();
  }

  /** Where an item stands now; in its old place where it is gone. */
  #indexOf(item: T): number {
    const key = this.#options.key(item);
    const index = this.#items.findIndex((other) => this.#options.key(other) === key);
    return index === -1 ? Math.min(this.#active, this.#items.length - 1) : index;
  }

  #drawSoon(): void {
    if (this.#drawing !== 0) return;
    this.#drawing = requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#draw();
    });
  }

  #draw(): void {
    const { scrollTop, clientHeight } = this.#scroller;
    const { first, end } = rowsInSight(scrollTop, clientHeight, ROW_HEIGHT, this.#items.length, SPARE_ROWS);
    const spare: Row<T>[] = [];
    for (const [index, row] of this.#rows) {
      if (index >= first && index < end) continue;
      this.#rows.delete(index);
      spare.push(row);
    }
    for (let index = first; index < end; index++) {
      const item = this.#items[index] as T;
      const present = this.#rows.get(index);
      if (present?.item === item) continue;
      const row = present ?? spare.pop() ?? this.#newRow(item);
      row.item = item;
      this.#rows.set(index, row);
      this.#place(row, index);
      this.#write(row);
    }
    for (const { root } of spare) root.remove();
    this.#markActive();
  }

  #newRow(item: T): Row<T> {
    const root = emptyRow(this.#columns.length);
    this.#body.append(root);
    return { root, item };
  }

  #place({ root }: Row<T>, index: number): void {
    root.id = `${this.#id}-${index}`;
    root.dataset["index"] = String(index);
    root.setAttribute("aria-rowindex", String(index + 2));
    root.style.transform = `translateY(${index * ROW_HEIGHT}px)`;
  }

  #write({ root, item }: Row<T>): void {
    for (const [index, cell] of [...root.children].entries()) fill(cell, this.#columns[index]?.cell(item));
    if (this.#options.selected === undefined) return;
    root.setAttribute("aria-selected", String(this.selection.has(this.#options.key(item))));
  }

  #markActive(): void {
    for (const [index, { root }] of this.#rows) root.classList.toggle("active", index === this.#active);
    const active = this.#rows.get(this.#active);
    if (active === undefined) this.root.removeAttribute("aria-activedescendant");
    else this.root.setAttribute("aria-activedescendant", active.root.id);
  }

  #pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const item = this.#items[this.#active];
    const pageRows = Math.max(1, Math.floor(this.#scroller.clientHeight / ROW_HEIGHT) - 1);
    const next = rowAfterKey(event.key, this.#active, this.#items.length, pageRows);
    if (next !== undefined) this.#activate(next);
    else if (event.key === "Enter" && item !== undefined) this.#options.opened(item);
    else if (event.key === " " && item !== undefined) this.#toggle(item);
    else return;
    event.preventDefault();
  }

  #activate(index: number): void {
    this.#active = index;
    const { scrollTop, clientHeight } = this.#scroller;
    this.#scroller.scrollTop = scrollToRow(index, scrollTop, clientHeight, ROW_HEIGHT);
    this.#draw();
  }

  #clicked(event: MouseEvent): void {
    const target = event.target as Element;
    const row = target.closest<HTMLElement>("[data-index]");
    const item = this.#items[Number(row?.dataset["index"] ?? -1)];
    if (item === undefined || target.closest("a, button") !== null) return;
    this.#activate(Number(row?.dataset["index"]));
    const onMark = target.closest("[role=gridcell]")?.querySelector(".mark") !== null;
    if (onMark && this.#options.selected !== undefined) this.#toggle(item);
    else this.#options.opened(item);
  }

  #toggle(item: T): void {
    if (this.#options.selected === undefined) return;
    const key = this.#options.key(item);
    if (!this.selection.delete(key)) this.selection.add(key);
    this.#selectionChanged();
  }

  #selectionChanged(): void {
    this.refresh();
    this.#options.selected?.(this.selection);
  }
}
