/** One chart on a canvas, by uPlot: lines over steps or time, a cursor that all charts of the page share, zoom by drag. */
import uPlot from "uplot";
import { formatTick } from "../format.ts";
import type { LookValues } from "./look.ts";
import { drawUnusual } from "./marks.ts";
import { COLOURS, DASHES, palette } from "./palette.ts";
import type { ChartRows } from "./rows.ts";

export const CHART_HEIGHT = 190;
const AXIS_WIDTH = 62;
const AXIS_HEIGHT = 32;
/** Times stand over dates. */
const TIME_HEIGHT = 46;
const CURSOR = "pipekit";

export interface ChartListeners {
  zoomed(from: number, to: number): void;
  unzoomed(): void;
  /** The cursor stands at `x`, with the value of each line there; undefined when it has left. */
  pointed(
    at:
      | { readonly x: number; readonly values: readonly (number | null)[]; readonly left: number }
      | undefined,
  ): void;
}

type Data = [number[], ...(number | null | undefined)[][]];

export class Chart {
  readonly #frame: HTMLElement;
  readonly #lines: number;
  readonly #listeners: ChartListeners;
  #plot: uPlot | undefined;
  #look: LookValues | undefined;
  #rows: readonly ChartRows[] = [];

  /** Draws into `frame`, whose width it takes. */
  constructor(frame: HTMLElement, lines: number, listeners: ChartListeners) {
    this.#frame = frame;
    this.#lines = lines;
    this.#listeners = listeners;
  }

  draw(rows: readonly ChartRows[], look: LookValues): void {
    const width = this.#frame.clientWidth;
    if (width === 0) return;
    this.#rows = rows;
    const same =
      this.#look?.axis === look.axis &&
      this.#look.log === look.log &&
      this.#look.smoothing > 0 === look.smoothing > 0;
    if (!same) this.close();
    this.#look = look;
    const data = this.#data(rows, look);
    if (this.#plot === undefined) {
      this.#plot = new uPlot(this.#options(width, look), data as uPlot.AlignedData, this.#frame);
      return;
    }
    if (this.#plot.width !== width) this.#plot.setSize({ width, height: CHART_HEIGHT });
    this.#plot.setData(data as uPlot.AlignedData);
  }

  /** Lets go of the canvas; `draw` makes it anew. */
  close(): void {
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  /** Moves the cursor by so many points; to an end by an infinity. */
  moveCursor(by: number): void {
    const plot = this.#plot;
    const x = plot?.data[0];
    if (plot === undefined || x === undefined || x.length === 0) return;
    const [first, last] = plot.series[0]?.idxs ?? [0, x.length - 1];
    const from = plot.cursor.idx ?? (by > 0 ? first - 1 : last + 1);
    const index = Math.min(last, Math.max(first, from + by));
    // The third argument, which the types do not name, tells the other charts.
    const move = plot.setCursor as (at: { left: number; top: number }, fire: boolean, tell: boolean) => void;
    move({ left: plot.valToPos(x[index] as number, "x"), top: plot.over.clientHeight / 2 }, true, true);
  }

  /** Shows a part of the x axis around the cursor: narrower for a factor below 1. */
  zoomBy(factor: number): void {
    const scale = this.#plot?.scales["x"];
    if (this.#plot === undefined || scale?.min == null || scale.max == null) return;
    const { idx } = this.#plot.cursor;
    const middle = idx == null ? (scale.min + scale.max) / 2 : (this.#plot.data[0][idx] as number);
    const half = ((scale.max - scale.min) * factor) / 2;
    if (half > 0) this.#listeners.zoomed(middle - half, middle + half);
  }

  #data(rows: readonly ChartRows[], { smoothing }: LookValues): Data {
    const [only] = rows;
    if (rows.length === 1 && only !== undefined) {
      const lines = smoothing > 0 ? [only.y, only.smooth] : [only.y];
      return [only.x, ...lines] as Data;
    }
    return uPlot.join(rows.map(({ x, smooth }) => [x, smooth] as unknown as uPlot.AlignedData)) as Data;
  }

  #options(width: number, look: LookValues): uPlot.Options {
    const colours = palette();
    const axis = {
      stroke: colours.text,
      grid: { stroke: colours.grid, width: 1 },
      ticks: { stroke: colours.grid, width: 1 },
    };
    const steps = (_: uPlot, splits: number[]) =>
      splits.map((value) => (Number.isInteger(value) ? formatTick(value) : ""));
    const values = (_: uPlot, splits: (number | null)[]) =>
      splits.map((value) => (value === null ? "" : formatTick(value)));
    return {
      width,
      height: CHART_HEIGHT,
      padding: [8, 12, 0, 0],
      legend: { show: false },
      series: [{}, ...this.#series(look)],
      scales: {
        x: { time: look.axis === "time", range: (_, min, max) => this.#range(min, max) },
        y: { distr: look.log ? 3 : 1 },
      },
      axes: [
        look.axis === "step" ? { ...axis, size: AXIS_HEIGHT, values: steps } : { ...axis, size: TIME_HEIGHT },
        { ...axis, size: AXIS_WIDTH, values },
      ],
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false },
        sync: { key: CURSOR, setSeries: false, scales: ["x", null] },
        bind: { dblclick: () => () => this.#reset() },
        points: { size: 7 },
      },
      hooks: {
        setSelect: [(plot) => this.#selected(plot)],
        setCursor: [(plot) => this.#pointed(plot)],
        draw: [
          (plot) =>
            drawUnusual(
              plot,
              this.#rows.flatMap(({ unusual }) => unusual),
              colours.bad,
            ),
        ],
      },
    };
  }

  #series({ smoothing }: LookValues): uPlot.Series[] {
    const { lines } = palette();
    const alone = this.#lines === 1;
    const made = Array.from(
      { length: this.#lines },
      (_, index): uPlot.Series => ({
        stroke: lines[index % COLOURS] ?? "",
        width: 1.5,
        dash: alone ? [] : [...(DASHES[index % DASHES.length] ?? [])],
        points: { size: 4 },
      }),
    );
    if (!alone || smoothing === 0) return made;
    return [
      { ...made[0], width: 1, alpha: 0.35 },
      { ...made[0], width: 2 },
    ];
  }

  #range(min: number | null, max: number | null): [number, number] {
    const zoom = this.#look?.zoom;
    if (zoom !== undefined) return [zoom.from, zoom.to];
    if (min === null || max === null) return [0, 1];
    return min === max ? [min - 1, max + 1] : [min, max];
  }

  #selected(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 4) return;
    const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#listeners.zoomed(from, to);
  }

  #reset(): null {
    this.#listeners.unzoomed();
    return null;
  }

  #pointed(plot: uPlot): void {
    const { idx, idxs, left = -1 } = plot.cursor;
    const x = idx == null ? undefined : plot.data[0][idx];
    if (x === undefined || left < 0) {
      this.#listeners.pointed(undefined);
      return;
    }
    // A smoothed line stands behind the raw one of the same metric; both are told.
    const values = plot.data.slice(1).map((line, index) => line[idxs?.[index + 1] ?? idx ?? 0] ?? null);
    this.#listeners.pointed({ x, values, left: left + AXIS_WIDTH });
  }
}
