/** What a server's answer means when it is not the one asked for. */

import { z } from "zod";
import type { HttpReply } from "./http.ts";
import { clip } from "./text.ts";

/**
 * Why a call was not carried out. `reason` is one sentence without secrets.
 * - `transient`: try again, after `afterMs` when a time is known.
 * - `missing`: the run or experiment does not exist.
 * - `refused`: MLflow takes the request for wrong, `code` says how.
 * - `tooLarge`: something on the way takes no body of this size.
 * - `unsupported`: this server does not have the call.
 */
export interface Fault {
  readonly kind: "transient" | "missing" | "refused" | "tooLarge" | "unsupported";
  readonly reason: string;
  readonly code?: string;
  readonly afterMs?: number;
}

export type Answer = Extract<HttpReply, { kind: "answer" }>;

/** When a person has to act first: renew a credential, mend a proxy. */
export const PERSON_MS = 60_000;
const LONGEST_AFTER_MS = 3_600_000;
const TRANSIENT = new Set([408, 425, 429]);

const ErrorBody = z.object({ error_code: z.string(), message: z.string().default("") });

/** Reads an answer that is not a success. `url` is the server's address. */
export function readFault(reply: Answer, json: unknown, url: string): Fault {
  const { status } = reply;
  const { host } = new URL(url);
  const error = ErrorBody.safeParse(json).data;
  const said = clip(error === undefined ? reply.text : error.message || error.error_code);
  const answers = `MLflow at ${host} answers ${status}`;
  if (status >= 300 && status < 400) {
    const to = redirectHost(reply.location, url);
    const reason = `${answers}: it redirects to ${to}; name the address that answers itself in the tracker spec.`;
    return { kind: "transient", reason, afterMs: PERSON_MS };
  }
  if (status === 401) {
    const reason = `MLflow at ${host} does not accept the credentials of the tracker spec (401).`;
    return { kind: "transient", reason, afterMs: PERSON_MS };
  }
  if (status === 403) return { kind: "transient", reason: sentence(answers, said), afterMs: PERSON_MS };
  if (status === 413) return { kind: "tooLarge", reason: `${answers}: the request is too large.` };
  if (status === 501) return { kind: "unsupported", reason: sentence(answers, said) };
  if (status === 503 && reply.text.includes("--no-serve-artifacts")) {
    const reason = `MLflow at ${host} runs with --no-serve-artifacts and takes no artifacts.`;
    return { kind: "unsupported", reason };
  }
  if (status >= 500 || TRANSIENT.has(status)) {
    const afterMs = retryAfterMs(reply.retryAfter, Date.now());
    const shown = error === undefined && looksLikeHtml(reply.text) ? "" : said;
    return {
      kind: "transient",
      reason: sentence(answers, shown),
      ...(afterMs === undefined ? {} : { afterMs }),
    };
  }
  if (error === undefined || error.error_code === "ENDPOINT_NOT_FOUND") {
    return {
      kind: "transient",
      reason: `${stranger(reply, host)} (status ${status}).`,
      afterMs: PERSON_MS,
    };
  }
  const kind = error.error_code === "RESOURCE_DOES_NOT_EXIST" ? "missing" : "refused";
  return { kind, reason: sentence("MLflow refuses", said), code: error.error_code };
}

/** The beginning of a sentence about somebody else who answers at the address. */
export function stranger(reply: Answer, host: string): string {
  const what = looksLikeHtml(reply.text) ? "a web page" : "something that is not MLflow's JSON";
  return `Something else than MLflow's interface answers at ${host}: it sent ${what}`;
}

/** Reads a Retry-After header, seconds or an HTTP date, as milliseconds from now; undefined when there is none. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const wait = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(Math.ceil(wait), 0), LONGEST_AFTER_MS);
}

function sentence(start: string, said: string): string {
  const end = /[.!?…]$/.test(said) ? "" : ".";
  return said === "" ? `${start}.` : `${start}: ${said}${end}`;
}

function looksLikeHtml(text: string): boolean {
  return /^\s*<(!doctype|html|\?xml)/i.test(text);
}

function redirectHost(location: string | undefined, base: string): string {
  const target = location === undefined ? null : URL.parse(location, base);
  return target === null ? "another address" : `${target.protocol}//${target.host}`;
}
