/** The page of metrics, read strictly: Prometheus's text format 0.0.4, as its documentation writes it. */
import { expect } from "vitest";

/** One value of a metric. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<{ [name: string]: string }>;
  readonly value: number;
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const COMMENT = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`);
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`);
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;
const VALUE = /^(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|NaN)$/;

/** A page, and the types that it declares. */
export class Page {
  readonly samples: readonly Sample[];
  readonly types: ReadonlyMap<string, string>;

  private constructor(samples: readonly Sample[], types: ReadonlyMap<string, string>) {
    this.samples = samples;
    this.types = types;
  }

  /** Throws at what is not of the format, at families in pieces, and at series that are there twice. */
  static parse(text: string): Page {
    if (!text.endsWith("\n")) throw new Error("The last line has no end.");
    const types = new Map<string, string>();
    const samples: Sample[] = [];
    const series = new Set<string>();
    const families: string[] = [];
    for (const line of text.trimEnd().split("\n")) {
      if (line === "") continue;
      const [, kind, named = "", rest = ""] = COMMENT.exec(line) ?? [];
      if (kind === "TYPE") {
        if (types.has(named)) throw new Error(`Two types: ${line}`);
        types.set(named, rest);
      }
      if (line.startsWith("#")) {
        if (kind === undefined) throw new Error(`Neither HELP nor TYPE: ${line}`);
        continue;
      }
      const sample = parseSample(line);
      const family = types.has(sample.name) ? sample.name : sample.name.replace(/_(bucket|sum|count)$/, "");
      if (!types.has(family)) throw new Error(`No type before ${line}`);
      if (family !== families.at(-1)) {
        if (families.includes(family)) throw new Error(`In pieces: ${family}`);
        families.push(family);
      }
      const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
      if (series.has(key)) throw new Error(`Twice: ${line}`);
      series.add(key);
      samples.push(sample);
    }
    return new Page(samples, types);
  }

  /** Sum of the samples of a name that have these labels; 0 where there are none. */
  sum(name: string, labels: { readonly [name: string]: string } = {}): number {
    const wanted = Object.entries(labels);
    return this.samples
      .filter(
        (sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value),
      )
      .reduce((sum, { value }) => sum + value, 0);
  }

  /** Sums by the values of one label. */
  by(name: string, label: string): { readonly [value: string]: number } {
    const sums: { [value: string]: number } = {};
    for (const sample of this.samples.filter((one) => one.name === name)) {
      const value = sample.labels[label] ?? "";
      sums[value] = (sums[value] ?? 0) + sample.value;
    }
    return sums;
  }
}

function parseSample(line: string): Sample {
  const [, name, inner = "", value = ""] = SAMPLE.exec(line) ?? [];
  if (name === undefined || !VALUE.test(value)) throw new Error(`No sample: ${line}`);
  const labels: { [name: string]: string } = {};
  let rest = inner;
  while (rest !== "") {
    const [whole, label = "", text = ""] = LABEL.exec(rest) ?? [];
    if (whole === undefined || Object.hasOwn(labels, label)) throw new Error(`Wrong labels: ${line}`);
    labels[label] = text.replaceAll(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
    rest = rest.slice(whole.length);
  }
  return { name, labels, value: Number(value.replace("Inf", "Infinity")) };
}

/** Reads the page of a daemon. */
export async function readPage(port: number): Promise<Page> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return Page.parse(await answer.text());
}
