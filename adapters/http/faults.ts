/** What an answer of a server means when it is not the one asked for, as far as that is the same for all tools. */

import type { PermanentResult, RetryResult } from "../tracker.ts";
import type { HttpReply } from "./exchange.ts";
import { clip } from "./text.ts";

export type Answer = Extract<HttpReply, { kind: "answer" }>;

/** Who was asked. */
export interface Tool {
  /** As people call it, such as `MLflow`. */
  readonly name: string;
  /** Address of the server. */
  readonly url: string;
}

/**
 * A fault that every tool shows in the same way. `reason` is one sentence without secrets.
 * - `transient`: try again, after `afterMs` when a time is known.
 * - `tooLarge`: something on the way takes no body of this size.
 * - `unsupported`: this server does not have the call.
 */
export interface HttpFault {
  readonly kind: "transient" | "tooLarge" | "unsupported";
  readonly reason: string;
  readonly afterMs?: number;
}

/** When a person has to act first: renew a credential, mend a proxy. */
export const PERSON_MS = 60_000;
const LONGEST_AFTER_MS = 3_600_000;
const TRANSIENT = new Set([408, 425, 429]);

/**
 * Reads an answer that is not a success; undefined for a status that is the tool's own to explain. `said` is what
 * the tool itself says of it, empty when its text is not the tool's.
 */
export function commonFault(reply: Answer, tool: Tool, said: string): HttpFault | undefined {
  const { status } = reply;
  const start = answers(reply, tool);
  if (status >= 300 && status < 400) {
    const to = redirectHost(reply.headers.location, tool.url);
    const reason = `${start}: it redirects to ${to}; name the address that answers itself in the tracker spec.`;
    return { kind: "transient", reason, afterMs: PERSON_MS };
  }
  if (status === 401) {
    const reason = `${tool.name} at ${hostOf(tool)} does not accept the credentials of the tracker spec (401).`;
    return { kind: "transient", reason, afterMs: PERSON_MS };
  }
  if (status === 403) return { kind: "transient", reason: sentence(start, said), afterMs: PERSON_MS };
  if (status === 413) return { kind: "tooLarge", reason: `${start}: the request is too large.` };
  if (status === 501) return { kind: "unsupported", reason: sentence(start, said) };
  if (status < 500 && !TRANSIENT.has(status)) return undefined;
  const afterMs = retryAfterMs(reply.headers["retry-after"], Date.now());
  const reason = sentence(start, looksLikeHtml(said) ? "" : said);
  return { kind: "transient", reason, ...(afterMs === undefined ? {} : { afterMs }) };
}

/** A fault as an adapter's answer, when it passes. */
export function retryOf({ reason, afterMs }: Pick<HttpFault, "reason" | "afterMs">): RetryResult {
  return { status: "retry", reason, ...(afterMs === undefined ? {} : { afterMs }) };
}

/** A fault as an adapter's answer to a call that failed as a whole: only a `transient` one is worth another try. */
export function failureOf(
  fault: Omit<HttpFault, "kind"> & { readonly kind: string },
): RetryResult | PermanentResult {
  return fault.kind === "transient" ? retryOf(fault) : { status: "permanent", reason: fault.reason };
}

/** The beginning of a sentence about an answer. */
export function answers(reply: Answer, tool: Tool): string {
  return `${tool.name} at ${hostOf(tool)} answers ${reply.status}`;
}

/** The beginning of a sentence about somebody else who answers at the address. */
export function stranger(reply: Answer, tool: Tool): string {
  const what = looksLikeHtml(reply.text) ? "a web page" : `something that is not ${tool.name}'s JSON`;
  return `Something else than ${tool.name}'s interface answers at ${hostOf(tool)}: it sent ${what}`;
}

/** Reads a Retry-After header, seconds or an HTTP date, as milliseconds from now; undefined when there is none. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const wait = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(Math.ceil(wait), 0), LONGEST_AFTER_MS);
}

/** One sentence of its beginning and of what a server said; the latter is clipped. */
export function sentence(start: string, said: string): string {
  const text = clip(said);
  const end = /[.!?…]$/.test(text) ? "" : ".";
  return text === "" ? `${start}.` : `${start}: ${text}${end}`;
}

export function looksLikeHtml(text: string): boolean {
  return /^\s*<(!doctype|html|\?xml)/i.test(text);
}

function hostOf(tool: Tool): string {
  return new URL(tool.url).host;
}

function redirectHost(location: string | undefined, base: string): string {
  const target = location === undefined ? null : URL.parse(location, base);
  return target === null ? "another address" : `${target.protocol}//${target.host}`;
}
