/** Points as ClearML's scalar events. */

import { clip } from "@pipekit/adapters/http";
import type { SinkRecord } from "@pipekit/adapters/tracker";
import type { Names } from "./names.ts";

export type Point = Extract<SinkRecord, { kind: "point" }>;

/** The largest 32-bit float; ClearML's index holds no more. */
const LARGEST_VALUE = 3.4028234663852886e38;

/** What is known of a key. */
interface Series {
  /** Beginning of its events. */
  readonly prefix: string;
  latestStep: number;
}

/**
 * Writes points as events. A NaN, an infinity and what is beyond 32-bit floats become an event without a value: ClearML
 * shows a gap there, and no number that nobody logged.
 */
export class EventWriter {
  readonly #names: Names;
  readonly #text: (value: string) => string;
  readonly #head: string;
  readonly #series = new Map<string, Series>();
  readonly #overwritten = new Overwritten();
  #replaced = false;

  /** `text` makes JSON of a string. */
  constructor(names: Names, taskId: string, text: (value: string) => string = JSON.stringify) {
    this.#names = names;
    this.#text = text;
    this.#head = `{"type":"training_stats_scalar","task":${text(taskId)}`;
  }

  /** One JSON object. */
  json(point: Point): string {
    const { key, step, value, timeUs } = point;
    const series = this.#series.get(key) ?? this.#begin(key);
    if (this.#overwritten.isNews(point, step > series.latestStep)) {
      this.#names.note(
        `\`${clip(key)}\` has several points of one step: ClearML keeps one point of a metric and step, ` +
          "the last that it gets.",
      );
    }
    if (step > series.latestStep) series.latestStep = step;
    const shown = Math.abs(value) <= LARGEST_VALUE ? String(value) : this.#gap(key);
    return `${series.prefix},"timestamp":${Math.floor(timeUs / 1000)},"iter":${step},"value":${shown}}`;
  }

  #begin(key: string): Series {
    const { title, series } = this.#names.metric(key);
    const prefix = `${this.#head},"metric":${this.#text(title)},"variant":${this.#text(series)}`;
    const begun = { prefix, latestStep: Number.NEGATIVE_INFINITY };
    this.#series.set(key, begun);
    return begun;
  }

  #gap(key: string): "null" {
    if (!this.#replaced) {
      this.#replaced = true;
      this.#names.note(
        `ClearML keeps no NaN, no infinity and nothing beyond 32-bit floats: such points, of \`${clip(key)}\` and ` +
          "maybe others, are shown as gaps.",
      );
    }
    return "null";
  }
}

/** Points remembered; up to twice as many in fact. */
const REMEMBERED = 8192;

/**
 * Finds the first point that takes the place of another one; the same point sent again does not. As long as steps rise
 * nothing is looked up.
 */
class Overwritten {
  #recent: Point[] = [];
  #places: Map<string, Point> | undefined;
  #found = false;

  /** True once. `rises` says that its step is above all of its key. */
  isNews(point: Point, rises: boolean): boolean {
    if (this.#found) return false;
    if (!rises) {
      this.#places ??= new Map(this.#recent.map((known) => [placeOf(known), known]));
      const before = this.#places.get(placeOf(point));
      if (before !== undefined && (before.timeUs !== point.timeUs || !Object.is(before.value, point.value))) {
        this.#found = true;
        this.#recent = [];
        this.#places = undefined;
        return true;
      }
    }
    if (this.#recent.length >= 2 * REMEMBERED) {
      this.#recent = this.#recent.slice(-REMEMBERED);
      this.#places = undefined;
    }
    this.#recent.push(point);
    this.#places?.set(placeOf(point), point);
    return false;
  }
}

function placeOf({ step, key }: Point): string {
  return `${step} ${key}`;
}
