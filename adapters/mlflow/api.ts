/** MLflow's REST interface: calls, answers checked by a schema, and what a failure means. */

import {
  type Answer,
  exchange,
  type FileSlice,
  type Incoming,
  PERSON_MS,
  receive,
  scrub,
  stranger,
} from "@pipekit/adapters/http";
import { z } from "zod";
import { parseJson } from "../json.ts";
import type { Credentials } from "./credentials.ts";
import { type Fault, readFault } from "./faults.ts";
import { failed, isPage, type Result } from "./results.ts";

export type { Result } from "./results.ts";

interface Call {
  readonly method: "GET" | "POST" | "PUT" | "DELETE" | "PATCH";
  readonly url: string;
  readonly body?: string | Buffer | FileSlice;
  readonly repeatable: boolean;
  /** The artifact proxy may answer with nothing at all; the tracking interface never does. */
  readonly mayBeEmpty?: true;
}

/** How long a server may take, milliseconds. */
export interface Timeouts {
  /** For a whole call. */
  readonly call: number;
  /** How long an upload may stand still; the server may copy all of it to its store before it answers. */
  readonly upload: number;
}

const TIMEOUTS: Timeouts = { call: 30_000, upload: 120_000 };

/** The calls that make a second thing when they are carried out twice. */
const MAKES_ANOTHER: ReadonlySet<string> = new Set(["runs/create", "model-versions/create", "logged-models"]);

const Anything = z.looseObject({});

/** One server with one set of credentials. */
export class MlflowApi {
  /** Address without a slash at its end. */
  readonly url: string;
  readonly #credentials: Credentials;
  readonly #host: string;
  readonly #timeouts: Timeouts;

  constructor(url: string, credentials: Credentials, timeouts: Timeouts = TIMEOUTS) {
    this.#timeouts = timeouts;
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
    const repeatable = !MAKES_ANOTHER.has(path);
    return await this.#json({ method: "POST", url, body: text, repeatable }, schema, signal);
  }

  /** POST to a full address, for the artifact proxy. */
  async postTo<T>(url: string, body: unknown, schema: z.ZodType<T>, signal: AbortSignal): Promise<Result<T>> {
    const text = JSON.stringify(body);
    const call = { method: "POST", url, body: text, repeatable: true, mayBeEmpty: true } as const;
    return await this.#json(call, schema, signal);
  }

  /** PATCH or DELETE below `/api/2.0/mlflow/`, with a value as JSON body. */
  async send(
    method: "PATCH" | "DELETE",
    path: string,
    body: unknown,
    signal: AbortSignal,
  ): Promise<Result<unknown>> {
    const url = `${this.url}/api/2.0/mlflow/${path}`;
    const call = { method, url, body: JSON.stringify(body), repeatable: true, mayBeEmpty: true } as const;
    return await this.#json(call, Anything, signal);
  }

  /** GET of a full address, for lists of the artifact proxy. */
  async getFrom<T>(url: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<Result<T>> {
    return await this.#json({ method: "GET", url, repeatable: true }, schema, signal);
  }

  /** PUT of bytes or a part of a file to the artifact proxy. */
  async put(url: string, body: Buffer | FileSlice, signal: AbortSignal): Promise<Result<unknown>> {
    const call = { method: "PUT", url, body, repeatable: true, mayBeEmpty: true } as const;
    return await this.#json(call, Anything, signal);
  }

  /** DELETE at the artifact proxy. */
  async deleteAt(url: string, signal: AbortSignal): Promise<Result<unknown>> {
    const call = { method: "DELETE", url, repeatable: true, mayBeEmpty: true } as const;
    return await this.#json(call, Anything, signal);
  }

  /** Begins to read a file of the artifact proxy, or looks at it; the caller reads the body, or destroys it. */
  async open(
    method: "GET" | "HEAD",
    url: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Result<Extract<Incoming, { kind: "answer" }>>> {
    const auth = await this.#credentials.authorization();
    if (!auth.found) return failed("transient", auth.reason, { afterMs: PERSON_MS });
    const all = { ...headers, ...this.#headers(url, auth.header) };
    const incoming = await receive(
      { method, url, headers: all, timeoutMs: this.#timeouts.call, pauseMs: this.#timeouts.upload },
      signal,
    );
    if (incoming.kind === "silence") return failed("transient", `MLflow at ${this.#host} ${incoming.why}.`);
    if (incoming.status < 200 || incoming.status >= 300) {
      return this.#refusal({ ...incoming, text: await incoming.text() }, auth.secrets);
    }
    if (!isPage(incoming.headers)) return { ok: true, value: incoming };
    const reply = { ...incoming, text: await incoming.text() };
    return failed("transient", `${stranger(reply, { name: "MLflow", url: this.url })}.`, {
      afterMs: PERSON_MS,
    });
  }

  /** PUT of a part of a file to an address signed by somebody else, without our credentials; gives the ETag. */
  async putPart(
    url: string,
    headers: Readonly<Record<string, string>>,
    slice: FileSlice,
    signal: AbortSignal,
  ): Promise<Result<string>> {
    const timeoutMs = this.#timeouts.upload;
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
    const headers = this.#headers(call.url, auth.header);
    if (call.body !== undefined) {
      headers["content-type"] = streamed ? "application/octet-stream" : "application/json";
    }
    const timeoutMs = streamed ? this.#timeouts.upload : this.#timeouts.call;
    const reply = await exchange({ ...call, headers, timeoutMs }, signal);
    if (reply.kind === "silence") return failed("transient", `MLflow at ${this.#host} ${reply.why}.`);
    if (reply.status >= 200 && reply.status < 300) {
      return this.#read(
        call.mayBeEmpty === true && reply.text === "" ? { ...reply, text: "{}" } : reply,
        schema,
      );
    }
    return this.#refusal(reply, auth.secrets);
  }

  #headers(url: string, authorization: string | undefined): Record<string, string> {
    const headers = { accept: "application/json", "user-agent": "pipekit-experiment" };
    // A server may name another host for its artifacts; our credentials are not meant for that one.
    const own = authorization !== undefined && new URL(url).origin === new URL(this.url).origin;
    return own ? { ...headers, authorization } : headers;
  }

  #refusal(reply: Omit<Answer, "kind">, secrets: readonly string[]): { ok: false; fault: Fault } {
    const { status } = reply;
    if (status === 401 || status === 403) this.#credentials.forget();
    // Before the text is cut, which might leave half a secret, and after JSON has undone its escapes.
    const text = scrub(reply.text, secrets);
    const fault = readFault({ ...reply, kind: "answer", text }, parseJson(text), this.url);
    return { ok: false, fault: { ...fault, status, reason: scrub(fault.reason, secrets) } };
  }

  #read<T>(reply: Answer, schema: z.ZodType<T>): Result<T> {
    const checked = schema.safeParse(parseJson(reply.text));
    if (checked.success) return { ok: true, value: checked.data };
    return failed("transient", `${stranger(reply, { name: "MLflow", url: this.url })}.`, {
      afterMs: PERSON_MS,
    });
  }
}
