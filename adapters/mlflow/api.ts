/** MLflow's REST interface: calls, answers checked by a schema, and what a failure means. */

import { z } from "zod";
import { type Credentials, scrub } from "./credentials.ts";
import { exchange, type FileSlice, type HttpReply } from "./http.ts";
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

export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly fault: Fault };

type Answer = Extract<HttpReply, { kind: "answer" }>;

const CALL_TIMEOUT_MS = 30_000;
/** How long an upload may stand still; the server may copy all of it to its store before it answers. */
const UPLOAD_TIMEOUT_MS = 120_000;
/** When a person has to act first: renew a credential, mend a proxy. */
const PERSON_MS = 60_000;
const LONGEST_AFTER_MS = 3_600_000;
const TRANSIENT = new Set([408, 425, 429]);

const ErrorBody = z.object({ error_code: z.string(), message: z.string().default("") });
const Anything = z.looseObject({});

/** One server with one set of credentials. */
export class MlflowApi {
  /** Address without a slash at its end. */
  readonly url: string;
  readonly #credentials: Credentials;
  readonly #host: string;

  constructor(url: string, credentials: Credentials) {
    this.url = url;
    this.#credentials = credentials;
    this.#host = new URL(url).host;
  }

  /** GET below `/api/2.0/mlflow/`. */
  async get<T>(
    path: string,
    query: Readonly<Record<string, string>>,
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<Result<T>> {
    const url = `${this.url}/api/2.0/mlflow/${path}?${new URLSearchParams(query)}`;
    return await this.#json({ method: "GET", url, repeatable: true }, schema, signal);
  }

  /** POST below `/api/2.0/mlflow/`; `body` is JSON text, or a value to make it of. */
  async post<T>(path: string, body: unknown, schema: z.ZodType<T>, signal: AbortSignal): Promise<Result<T>> {
    const url = `${this.url}/api/2.0/mlflow/${path}`;
    const text = typeof body === "string" ? body : JSON.stringify(body);
    // The only call that makes a second thing when it is carried out twice.
    const repeatable = path !== "runs/create";
    return await this.#json({ method: "POST", url, body: text, repeatable }, schema, signal);
  }

  /** POST to a full address, for the artifact proxy. */
  async postTo<T>(url: string, body: unknown, schema: z.ZodType<T>, signal: AbortSignal): Promise<Result<T>> {
    const text = JSON.stringify(body);
    return await this.#json({ method: "POST", url, body: text, repeatable: true }, schema, signal);
  }

  /** PUT of a part of a file to the artifact proxy, answered in JSON. */
  async put(url: string, slice: FileSlice, signal: AbortSignal): Promise<Result<unknown>> {
    return await this.#json({ method: "PUT", url, body: slice, repeatable: true }, Anything, signal);
  }

  /** PUT of a part of a file to an address signed by somebody else, without our credentials; gives the ETag. */
  async putPart(
    url: string,
    headers: Readonly<Record<string, string>>,
    slice: FileSlice,
    signal: AbortSignal,
  ): Promise<Result<string>> {
    const request = {
      method: "PUT",
      url,
      headers,
      body: slice,
      timeoutMs: UPLOAD_TIMEOUT_MS,
      repeatable: true,
    };
    const reply = await exchange({ ...request, method: "PUT" }, signal);
    const host = new URL(url).host;
    if (reply.kind === "silence") return failed("transient", `The artifact store at ${host} ${reply.why}.`);
    if (reply.status >= 200 && reply.status < 300) return { ok: true, value: reply.etag ?? "" };
    return failed("transient", `The artifact store at ${host} answers a part with ${reply.status}.`);
  }

  async #json<T>(
    call: { method: "GET" | "POST" | "PUT"; url: string; body?: string | FileSlice; repeatable: boolean },
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<Result<T>> {
    const auth = await this.#credentials.authorization();
    if (!auth.found) return failed("transient", auth.reason, { afterMs: PERSON_MS });
    const streamed = typeof call.body === "object";
    const headers: Record<string, string> = {
      accept: "application/json",
      "user-agent": "pipekit-experiment",
    };
    if (call.body !== undefined) {
      headers["content-type"] = streamed ? "application/octet-stream" : "application/json";
    }
    // A server may name another host for its artifacts; our credentials are not meant for that one.
    if (auth.header !== undefined && new URL(call.url).origin === new URL(this.url).origin) {
      headers["authorization"] = auth.header;
    }
    const timeoutMs = streamed ? UPLOAD_TIMEOUT_MS : CALL_TIMEOUT_MS;
    const reply = await exchange({ ...call, headers, timeoutMs }, signal);
    if (reply.kind === "silence") return failed("transient", `MLflow at ${this.#host} ${reply.why}.`);
    if (reply.status === 401 || reply.status === 403) this.#credentials.forget();
    const result = this.#read(reply, schema);
    if (result.ok) return result;
    return { ok: false, fault: { ...result.fault, reason: scrub(result.fault.reason, auth.secrets) } };
  }

  #read<T>(reply: Answer, schema: z.ZodType<T>): Result<T> {
    const json = parseJson(reply.text);
    if (reply.status >= 200 && reply.status < 300) {
      const checked = schema.safeParse(json);
      if (checked.success) return { ok: true, value: checked.data };
      return failed("transient", `${this.#stranger(reply)}.`, { afterMs: PERSON_MS });
    }
    const error = ErrorBody.safeParse(json);
    return { ok: false, fault: this.#fault(reply, error.success ? error.data : undefined) };
  }

  #fault(reply: Answer, error: z.infer<typeof ErrorBody> | undefined): Fault {
    const { status } = reply;
    const said = clip(error === undefined ? reply.text : error.message || error.error_code);
    const answers = `MLflow at ${this.#host} answers ${status}`;
    if (status >= 300 && status < 400) {
      const to = redirectHost(reply.location, this.url);
      const reason = `${answers}: it redirects to ${to}; name the address that answers itself in the tracker spec.`;
      return { kind: "transient", reason, afterMs: PERSON_MS };
    }
    if (status === 401) {
      const reason = `MLflow at ${this.#host} does not accept the credentials of the tracker spec (401).`;
      return { kind: "transient", reason, afterMs: PERSON_MS };
    }
    if (status === 403) return { kind: "transient", reason: sentence(answers, said), afterMs: PERSON_MS };
    if (status === 413) return { kind: "tooLarge", reason: `${answers}: the request is too large.` };
    if (status === 501) return { kind: "unsupported", reason: sentence(answers, said) };
    if (status === 503 && reply.text.includes("--no-serve-artifacts")) {
      const reason = `MLflow at ${this.#host} runs with --no-serve-artifacts and takes no artifacts.`;
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
        reason: `${this.#stranger(reply)} (status ${status}).`,
        afterMs: PERSON_MS,
      };
    }
    const kind = error.error_code === "RESOURCE_DOES_NOT_EXIST" ? "missing" : "refused";
    return { kind, reason: sentence("MLflow refuses", said), code: error.error_code };
  }

  #stranger(reply: Answer): string {
    const what = looksLikeHtml(reply.text) ? "a web page" : "something that is not MLflow's JSON";
    return `Something else than MLflow's interface answers at ${this.#host}: it sent ${what}`;
  }
}

/** Reads a Retry-After header, seconds or an HTTP date, as milliseconds from now; undefined when there is none. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const wait = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(Math.ceil(wait), 0), LONGEST_AFTER_MS);
}

function failed(
  kind: Fault["kind"],
  reason: string,
  more: Partial<Fault> = {},
): { readonly ok: false; readonly fault: Fault } {
  return { ok: false, fault: { kind, reason, ...more } };
}

function sentence(start: string, said: string): string {
  const end = /[.!?…]$/.test(said) ? "" : ".";
  return said === "" ? `${start}.` : `${start}: ${said}${end}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function looksLikeHtml(text: string): boolean {
  return /^\s*<(!doctype|html|\?xml)/i.test(text);
}

function redirectHost(location: string | undefined, base: string): string {
  const target = location === undefined ? null : URL.parse(location, base);
  return target === null ? "another address" : `${target.protocol}//${target.host}`;
}
