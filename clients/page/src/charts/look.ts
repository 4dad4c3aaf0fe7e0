/** How the charts of a view are looked at: one setting for all of them. */
import type { AxisName } from "./rows.ts";

export interface LookValues {
  readonly axis: AxisName;
  readonly log: boolean;
  /** 0 for none, below 1. */
  readonly smoothing: number;
  /** The part of the x axis that is shown, in its unit; undefined for all. */
  readonly zoom: { readonly from: number; readonly to: number } | undefined;
}

export class Look {
  #values: LookValues = { axis: "step", log: false, smoothing: 0, zoom: undefined };
  readonly #listeners = new Set<() => void>();

  get values(): LookValues {
    return this.#values;
  }

  change(part: Partial<LookValues>): void {
    // What was zoomed into on one axis means nothing on the other.
    const zoom = part.axis !== undefined && part.axis !== this.#values.axis ? { zoom: undefined } : {};
    this.#values = { ...this.#values, ...zoom, ...part };
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }
}
