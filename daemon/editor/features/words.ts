/** Figures and names as hovers, hints and lenses say them. */
import type { JsonNumber, ModelBrief, RunBrief } from "@pipekit/proto/editor";
import { figure } from "../../format.ts";

/** The first digits of a hash, by which people tell models apart. */
export function short(hash: string): string {
  return hash.slice(0, 8);
}

/** How long ago, in its largest unit: `40 s`, `5 min`, `3 h`, `2 d`, `4 y`. Never less than 0: clocks of machines differ. */
export function age(atUs: number, nowUs: number): string {
  const seconds = Math.max(0, Math.floor((nowUs - atUs) / 1e6));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  const days = Math.floor(seconds / 86_400);
  return days < 730 ? `${days} d` : `${Math.floor(days / 365)} y`;
}

/** The same for a sentence. */
export function ago(atUs: number, nowUs: number): string {
  return `${age(atUs, nowUs)} ago`;
}

/** A moment of today, such as `12:03`, in local time. */
export function clock(atUs: number): string {
  const date = new Date(atUs / 1000);
  return `${String(date.getHours()).padStart(2, "0")}:${String(date.getMinutes()).padStart(2, "0")}`;
}

/** A metric value, as in tables of `pkx`. */
export function value(number: JsonNumber): string {
  return typeof number === "number" ? figure(number) : number;
}

/** Characters. */
const MOST_OF_OPERATOR = 100;
const MOST_OF_KEY = 100;

/** A model in a few words, such as `3f2a91bc my.Class`. */
export function named(hash: string, model: ModelBrief | undefined): string {
  return model === undefined || model.operator === ""
    ? short(hash)
    : `${short(hash)} ${clipped(model.operator, MOST_OF_OPERATOR)}`;
}

/** What became of a run, such as `running · loss 0.031 · 5 min`. */
export function summary(run: RunBrief, nowUs: number): string {
  const { headline, state, startedAtUs, endedAtUs } = run;
  const metric =
    headline === undefined ? [] : [`${clipped(headline.key, MOST_OF_KEY)} ${value(headline.value)}`];
  const time = state === "running" ? age(startedAtUs, nowUs) : ago(endedAtUs || startedAtUs, nowUs);
  return [state, ...metric, time].join(" · ");
}

/** A text in one line of at most so many characters. */
export function clipped(text: string, most: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out.
  const line = text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").replaceAll(BIDI, "");
  const characters = [...line];
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : line;
}

/** Marks that turn the direction of what follows: a name must not be able to rewrite the line that it stands in. */
const BIDI = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
