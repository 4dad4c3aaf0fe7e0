/** The settings over the charts. */
import { button, element, setText } from "../dom.ts";
import type { Look } from "./look.ts";
import type { AxisName } from "./rows.ts";

const HIGHEST_SMOOTHING = 0.99;

export function boardBar(look: Look, filtered: (text: string) => void): HTMLElement {
  const filter = element("input", {
    type: "search",
    class: "metric-filter",
    "aria-label": "Filter metrics",
    placeholder: "Filter metrics",
    oninput: () => filtered(filter.value),
  });
  const axis = element(
    "select",
    { onchange: () => look.change({ axis: axis.value as AxisName }) },
    element("option", { value: "step" }, "step"),
    element("option", { value: "time" }, "wall time"),
  );
  const log = element("input", { type: "checkbox", onchange: () => look.change({ log: log.checked }) });
  const told = element("output", {}, "0");
  const smoothing = element("input", {
    type: "range",
    min: 0,
    max: HIGHEST_SMOOTHING,
    step: 0.01,
    value: 0,
    oninput: () => {
      setText(told, smoothing.value);
      look.change({ smoothing: Number(smoothing.value) });
    },
  });
  const reset = button("Show all", () => look.change({ zoom: undefined }), { class: "quiet", hidden: true });
  look.onChange(() => {
    reset.hidden = look.values.zoom === undefined;
  });
  return element(
    "div",
    { class: "bar board-bar", role: "toolbar", "aria-label": "Charts" },
    filter,
    element("label", {}, "X axis", axis),
    element("label", {}, log, "log scale"),
    element("label", {}, "Smoothing", smoothing, told),
    reset,
  );
}
