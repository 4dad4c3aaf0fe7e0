import { COLOURS, DASHES } from "./palette.ts";

/** A sample of a line, for legends. */
export function lineSample(index: number): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const sample = document.createElementNS(space, "svg");
  sample.setAttribute("class", "line-sample");
  sample.setAttribute("viewBox", "0 0 36 8");
  sample.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(space, "line");
  const shape = {
    x1: "0",
    x2: "36",
    y1: "4",
    y2: "4",
    "stroke-dasharray": (DASHES[index % DASHES.length] ?? []).join(" "),
  };
  for (const [name, value] of Object.entries(shape)) line.setAttribute(name, value);
  line.setAttribute("class", `line-${(index % COLOURS) + 1}`);
  sample.append(line);
  return sample;
}
