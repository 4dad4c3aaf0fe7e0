/** Tables and lists of facts. */
import { type Child, element, freshId, setText, userText } from "./dom.ts";
import type { FlatLine } from "./flatten.ts";
import { counted } from "./format.ts";

/** Names with what they stand for; those without a value are left out. */
export function facts(...entries: readonly (readonly [name: string, value: Child])[]): HTMLElement {
  const lines = entries.filter(([, value]) => value !== undefined && value !== false && value !== "");
  const shown = lines.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value as Node)]);
  return element("dl", { class: "facts" }, ...shown);
}

export function table(
  titles: readonly string[],
  rows: readonly (readonly Child[])[],
  label: string,
): HTMLElement {
  const head = element("tr", {}, ...titles.map((title) => element("th", { scope: "col" }, title)));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  return tableFrame(label, element("thead", {}, head), element("tbody", {}, ...body));
}

/** A table that scrolls by itself where it is too wide, by keyboard too. */
export function tableFrame(label: string, ...parts: readonly Child[]): HTMLElement {
  const inside = element("table", { "aria-label": label }, ...parts);
  return element("div", { class: "table-frame", tabindex: 0, role: "region", "aria-label": label }, inside);
}

/** Lines of a document with a field to search them. */
export function searchableTable(label: string, lines: readonly FlatLine[]): HTMLElement {
  const id = freshId("search");
  const count = element(
    "span",
    { class: "faint", role: "status" },
    counted(lines.length, "entry", "entries"),
  );
  const rows = lines.map(([path, value]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, userText(path)),
      element("td", { class: "mono" }, userText(value)),
    ),
  );
  const field = element("input", {
    type: "search",
    id,
    "aria-label": `Search in ${label}`,
    placeholder: "Search",
    oninput: () => {
      const wanted = field.value.toLowerCase();
      let found = 0;
      for (const [index, row] of rows.entries()) {
        row.hidden = !lines[index]?.some((text) => text.toLowerCase().includes(wanted));
        if (!row.hidden) found++;
      }
      setText(count, wanted === "" ? counted(lines.length, "entry", "entries") : `${found} found`);
    },
  });
  return element(
    "div",
    {},
    element("div", { class: "bar" }, field, count),
    tableFrame(label, element("tbody", {}, ...rows)),
  );
}

/** A part that is folded, with its size in the title. */
export function folded(title: string, size: string, content: Node, open = false): HTMLElement {
  const summary = element("summary", {}, element("h2", {}, title), element("span", { class: "faint" }, size));
  return element("details", { class: "group", open }, summary, content);
}
