/** MLflow's REST interface: calls, answers checked by a schema, and what a failure means. */

import { type Answer, exchange, type FileSlice, PERSON_MS, scrub, stranger } from "@pipekit/adapters/http";
import { z } from "zod";
import type { Credentials } from "./credentials.ts";
import { type Fault, readFault } from "./faults.ts";

export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly fault: Fault };

interface Call {
  readonly method: "GET" | "POST" | "PUT";
  readonly url: string;
  readonly body?: string | FileSlice;
  readonly repeatable: boolean;
  /** The artifact proxy may answer with nothing at all; the tracking interface never does. */
  readonly mayBeEmpty?: true;
}

const CALL_TIMEOUT_MS = 30_000;
/** How long an upload may stand still; the server may copy all of it to its store before it answers. */
const UPLOAD_TIMEOUT_MS = 120_000;

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
    const call = { method: "POST", url, body: text, repeatable: true, mayBeEmpty: true } as const;
    return await this.#json(call, schema, signal);
  }

  /** PUT of a part of a file to the artifact proxy. */
  async put(url: string, slice: FileSlice, signal: AbortSignal): Promise<Result<unknown>> {
    const call = { method: "PUT", url, body: slice, repeatable: true, mayBeEmpty: true } as const;
    return await this.#json(call, Anything, signal);
  }

  /** PUT of a part of a file to an address signed by somebody else, without our credentials; gives the ETag. */
  async putPart(
    url: string,
    headers: Readonly<Record<string, string>>,
    slice: FileSlice,
    signal: AbortSignal,
  ): Promise<Result<string>> {
    const timeoutMs = UPLOAD_TIMEOUT_MS;
    const request = { method: "PUT", url, headers, body: slice, timeoutMs, repeatable: true } as const;
    const reply = await exchange(request, signal);
    const host = new URL(url).host;
    if (reply.kind === "silence") return failed("transient", `The artifact store at ${host} ${reply.why}.`);
    if (reply.status >= 200 && reply.status < 300) return { ok: true, value: reply.headers.etag ?? "" };
    return failed("transient", `The artifact store at ${host} answers a part with ${reply.status}.`);
  }

  async #json<T>(call: Call, schema: z.ZodType<T>, signal: AbortSignal): Promise<Result<T>> {
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
    if (reply.status >= 200 && reply.status < 300) {
      return this.#read(
        call.mayBeEmpty === true && reply.text === "" ? { ...reply, text: "{}" } : reply,
        schema,
      );
    }
    // Before the text is cut, which might leave half a secret, and after JSON has undone its escapes.
    const text = scrub(reply.text, auth.secrets);
    const fault = readFault({ ...reply, text }, parseJson(text), this.url);
    return { ok: false, fault: { ...fault, reason: scrub(fault.reason, auth.secrets) } };
  }

  #read<T>(reply: Answer, schema: z.ZodType<T>): Result<T> {
    const checked = schema.safeParse(parseJson(reply.text));
    if (checked.success) return { ok: true, value: checked.data };
    return failed("transient", `${stranger(reply, { name: "MLflow", url: this.url })}.`, {
      afterMs: PERSON_MS,
    });
  }
}

function failed(
  kind: Fault["kind"],
  reason: string,
  more: Partial<Fault> = {},
): { readonly ok: false; readonly fault: Fault } {
  return { ok: false, fault: { kind, reason, ...more } };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
