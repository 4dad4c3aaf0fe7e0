/** The colours of the theme as a canvas takes them, and how lines differ without colour. */
import { element } from "../dom.ts";

export const COLOURS = 8;
/** Lengths of dashes and gaps, in pixels. With eight colours, 24 lines differ from each other. */
export const DASHES: readonly (readonly number[])[] = [
  [],
  [9, 4],
  [2, 3],
  [10, 3, 2, 3],
  [5, 3],
  [14, 3, 2, 3, 2, 3],
];

export interface Palette {
  readonly lines: readonly string[];
  readonly text: string;
  readonly grid: string;
  readonly bad: string;
}

const listeners = new Set<() => void>();
let known: Palette | undefined;
let watching = false;

/** As the theme is now. A canvas knows no variables, so a hidden element is asked what they come to. */
export function palette(): Palette {
  watch();
  if (known !== undefined) return known;
  const probe = element("span", { hidden: true });
  document.body.append(probe);
  const colour = (name: string) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  known = {
    lines: Array.from({ length: COLOURS }, (_, index) => colour(`--chart-${index + 1}`)),
    text: colour("--faint"),
    grid: colour("--grid"),
    bad: colour("--bad"),
  };
  probe.remove();
  return known;
}

/** Calls back when the theme has changed: that of the system, or that of the editor around the page. */
export function onThemeChange(changed: () => void, life: AbortSignal): void {
  listeners.add(changed);
  life.addEventListener("abort", () => listeners.delete(changed));
}

/** For as long as the page lives: colours that were looked up are forgotten also where no chart is shown. */
function watch(): void {
  if (watching) return;
  watching = true;
  const heard = () => {
    known = undefined;
    for (const listener of listeners) listener();
  };
  for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)"]) {
    matchMedia(query).addEventListener("change", heard);
  }
  const classes = new MutationObserver(heard);
  classes.observe(document.body, { attributes: true, attributeFilter: ["class", "data-vscode-theme-id"] });
}
