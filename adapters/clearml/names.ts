/**
 * Keys of a run in ClearML's spelling, and what a person should be told.
 *
 * A metric of ClearML has a title and a series. As in ClearML's own binding to TensorBoard the last slash divides them,
 * `train/loss` is the series `loss` of the title `train`, and a key without one is both. Metrics named `system/...` go where
 * ClearML keeps its resource monitor: `:monitor:gpu` when the rest begins with `gpu`, else `:monitor:machine`.
 *
 * ClearML keeps one of several points with equal task, iteration and `TITLE-SERIES`, so that text must differ for any two
 * keys as well. Where it would not, and for keys that cannot be a name as they are, the series ends in
 * `_0xh<20 hex digits of the key's SHA-256>_`. That depends on the key alone, but for two keys that differ in nothing but
 * `-` and `/` (`a-b/c` and `a/b-c`): there the one that came first keeps its name, and the memo tells which. It tells
 * so of the first 16,000 characters of such keys; later ones get the ending.
 */

import { createHash } from "node:crypto";
import { clip } from "@pipekit/adapters/http";
import { Notes } from "../notes.ts";

/** A metric key in ClearML's spelling. */
export interface MetricName {
  readonly title: string;
  readonly series: string;
}

const SYSTEM = "system/";
const MONITOR = ":monitor:";
const LONGEST_NAME = 1000;
/** Of a name that gets an ending. */
const LONGEST_STEM = 100;
/** Characters of keys that may claim a name. */
const MOST_CLAIMED = 16_000;
const PROPERTY_PREFIX = "pipekit_";

export class Names {
  readonly #metrics = new Map<string, MetricName>();
  /** Who has a `TITLE-SERIES` that two keys may want. */
  readonly #owners = new Map<string, string>();
  readonly #notes = new Notes();
  /** Keeps a sentence for a person, unless it was said before. */
  readonly note = this.#notes.add;
  #claimed = 0;
  #news = false;

  /** `owned` is what an earlier one of the same run has claimed. */
  constructor(owned: readonly string[] = []) {
    for (const key of owned) this.#claim(key);
    this.#news = false;
  }

  metric(key: string): MetricName {
    const known = this.#metrics.get(key);
    if (known !== undefined) return known;
    const name = this.#named(key);
    this.#metrics.set(key, name);
    const shown = shownName(name);
    if (shown !== key && !key.startsWith(SYSTEM)) {
      this.note(`ClearML does not take the metric \`${clip(key)}\` as it is; it is shown as \`${shown}\`.`);
    }
    return name;
  }

  /** The name of a hyperparameter. ClearML trims it and takes none that is empty. */
  param(key: string): string {
    return this.#plain(key, isPlain(key) && key.trim() === key, "param");
  }

  /** The name of the user property that shows a tag; those that begin with `pipekit_` are ours. */
  property(key: string): string {
    const plain = isPlain(key) && key.trim() === key && !key.startsWith(PROPERTY_PREFIX);
    return this.#plain(key, plain, "tag");
  }

  /** The keys that have claimed a name, when there are new ones since the last call. */
  takeClaims(): readonly string[] | undefined {
    if (!this.#news) return undefined;
    this.#news = false;
    return this.claims;
  }

  get claims(): readonly string[] {
    return [...this.#owners.values()];
  }

  takeNotes(): readonly string[] {
    return this.#notes.take();
  }

  #named(key: string): MetricName {
    if (key.startsWith(SYSTEM) && isPlain(key) && key.length > SYSTEM.length) {
      const series = key.slice(SYSTEM.length);
      return { title: MONITOR + (series.startsWith("gpu") ? "gpu" : "machine"), series };
    }
    const name = split(key);
    if (!isPlain(key) || key.startsWith(MONITOR)) return hashed(key);
    if (name.title === key) return name;
    if (isDoubled(name)) return hashed(key);
    if (!isContested(name)) return name;
    const owner = this.#owners.get(joined(name));
    if (owner === key) return name;
    if (owner !== undefined || this.#claimed + key.length > MOST_CLAIMED) return hashed(key);
    this.#claim(key);
    return name;
  }

  #claim(key: string): void {
    this.#owners.set(joined(split(key)), key);
    this.#claimed += key.length;
    this.#news = true;
  }

  #plain(key: string, plain: boolean, what: string): string {
    if (plain) return key;
    const name = `${cleaned(key)}_${digest(key)}`;
    this.note(
      `ClearML does not take \`${clip(key)}\` as the name of a ${what}; it is shown as \`${clip(name)}\`.`,
    );
    return name;
  }
}

function split(key: string): MetricName {
  const slash = key.lastIndexOf("/");
  if (slash <= 0 || slash === key.length - 1) return { title: key, series: key };
  return { title: key.slice(0, slash), series: key.slice(slash + 1) };
}

/** As a person reads it: a key that is title and series in one once. */
function shownName({ title, series }: MetricName): string {
  return title === series ? title : `${title}/${series}`;
}

function joined({ title, series }: MetricName): string {
  return `${title}-${series}`;
}

/** Whether a key that is title and series in one has the same joined text: `loss` for `loss/loss`, `a-b` for `a/b-a-b`. */
function isDoubled(name: MetricName): boolean {
  const text = joined(name);
  const half = (text.length - 1) / 2;
  return text[half] === "-" && text.slice(0, half) === text.slice(half + 1);
}

/** Whether a key with a dash and a slash exchanged has the same joined text. */
function isContested({ title, series }: MetricName): boolean {
  return series.includes("-") || title.slice(title.lastIndexOf("/") + 1).includes("-");
}

function hashed(key: string): MetricName {
  const { title, series } = split(cleaned(key));
  return { title, series: `${series}_${digest(key)}` };
}

function isPlain(key: string): boolean {
  return key !== "" && key.length <= LONGEST_NAME && !/[\p{Cc}\p{Cs}]/u.test(key);
}

function cleaned(key: string): string {
  const text = key
    .toWellFormed()
    .replace(/\p{Cc}/gu, "\uFFFD")
    .trim();
  return [...text].slice(0, LONGEST_STEM).join("") || "_";
}

function digest(key: string): string {
  return `0xh${createHash("sha256").update(key).digest("hex").slice(0, 20)}_`;
}
