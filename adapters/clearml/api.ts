/** ClearML's API server and its files server: calls with a token, answers checked by a schema, what a failure means. */

import {
  type Authorization,
  bearer,
  exchange,
  type FileSlice,
  type HttpRequest,
  PERSON_MS,
  Renewed,
  scrub,
  stranger,
} from "@pipekit/adapters/http";
import type { AdapterContext } from "@pipekit/adapters/tracker";
import { z } from "zod";
import { parseJson } from "../json.ts";
import { type Fault, failed, type Result, readFault } from "./faults.ts";
import { findCredentials, findServers, type Servers } from "./servers.ts";
import { endpointOf, type ServerSpec } from "./spec.ts";

const CALL_TIMEOUT_MS = 30_000;
/** How long an upload may stand still. */
const UPLOAD_TIMEOUT_MS = 120_000;
/** The oldest version of the interface that has every call made here. */
const VERSION = "v2.16";

const Login = z.object({ data: z.object({ token: z.string().min(1) }) });

/** Tokens by endpoint, of a daemon's environment: its runs share one login. */
const tokens = new WeakMap<AdapterContext["env"], Map<string, string>>();

/** One endpoint with one set of credentials. */
export class ClearmlApi {
  readonly #spec: ServerSpec;
  readonly #context: AdapterContext;
  readonly #credentials: Renewed;
  readonly #tokens: Map<string, string>;
  readonly #endpoint: string;

  constructor(spec: ServerSpec, context: AdapterContext) {
    this.#spec = spec;
    this.#context = context;
    this.#endpoint = endpointOf(spec);
    this.#credentials = new Renewed(() => findCredentials(spec, context));
    const shared = tokens.get(context.env) ?? new Map<string, string>();
    tokens.set(context.env, shared);
    this.#tokens = shared;
  }

  /** Where the servers are; a fault that a person can mend when that is not known. */
  async servers(): Promise<Result<Servers>> {
    const servers = await findServers(this.#spec, this.#context);
    if (typeof servers !== "string") return { ok: true, value: servers };
    return failed("transient", servers, { afterMs: PERSON_MS });
  }

  /** Calls `service.action`. The answer's `data` must fit the schema. */
  async post<T>(action: string, body: object, schema: z.ZodType<T>, signal: AbortSignal): Promise<Result<T>> {
    // The only call that makes a second thing when it is carried out twice.
    const repeatable = action !== "tasks.create";
    return await this.#call(action, JSON.stringify(body), "application/json", repeatable, schema, signal);
  }

  /** Calls `service.action` with one JSON text a line. */
  async postLines<T>(
    action: string,
    lines: readonly string[],
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<Result<T>> {
    return await this.#call(action, lines.join("\n"), "application/json-lines", true, schema, signal);
  }

  /** Sends a form with one file to the files server at `url`. The answer must fit the schema. */
  async upload<T>(
    url: string,
    contentType: string,
    body: FileSlice,
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<Result<T>> {
    const headers = { "content-type": contentType };
    const timeoutMs = UPLOAD_TIMEOUT_MS;
    const request = { method: "POST", url, headers, body, timeoutMs, repeatable: true } as const;
    return await this.#authorized(request, schema, signal);
  }

  async #call<T>(
    action: string,
    body: string,
    contentType: string,
    repeatable: boolean,
    data: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<Result<T>> {
    const servers = await this.servers();
    if (!servers.ok) return servers;
    const url = `${servers.value.api}/${VERSION}/${action}`;
    const headers = { "content-type": contentType };
    const request = { method: "POST", url, headers, body, timeoutMs: CALL_TIMEOUT_MS, repeatable } as const;
    const answer = await this.#authorized(request, z.object({ data }), signal);
    return answer.ok ? { ok: true, value: answer.value.data } : answer;
  }

  /** Sends a request with the token; once more with a new one when the server does not take it. */
  async #authorized<T>(request: HttpRequest, schema: z.ZodType<T>, signal: AbortSignal): Promise<Result<T>> {
    for (let renewed = false; ; renewed = true) {
      const token = await this.#token(signal);
      if (!token.ok) return token;
      const answer = await this.#exchange(request, bearer(token.value), schema, signal);
      if (answer.ok || answer.fault.code !== 401) return answer;
      if (this.#tokens.get(this.#endpoint) === token.value) this.#tokens.delete(this.#endpoint);
      if (renewed) return answer;
    }
  }

  async #token(signal: AbortSignal): Promise<Result<string>> {
    const known = this.#tokens.get(this.#endpoint);
    if (known !== undefined) return { ok: true, value: known };
    const servers = await this.servers();
    if (!servers.ok) return servers;
    const keys = await this.#credentials.authorization();
    const url = `${servers.value.api}/${VERSION}/auth.login`;
    const request = {
      method: "POST",
      url,
      headers: { "content-type": "application/json" },
      body: "{}",
      timeoutMs: CALL_TIMEOUT_MS,
      repeatable: true,
    } as const;
    const answer = await this.#exchange(request, keys, Login, signal);
    if (!answer.ok) {
      if (answer.fault.afterMs === PERSON_MS) this.#credentials.forget();
      return answer;
    }
    const { token } = answer.value.data;
    this.#tokens.set(this.#endpoint, token);
    return { ok: true, value: token };
  }

  async #exchange<T>(
    request: HttpRequest,
    auth: Authorization,
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<Result<T>> {
    if (!auth.found) return failed("transient", auth.reason, { afterMs: PERSON_MS });
    const headers: Record<string, string> = {
      ...request.headers,
      accept: "application/json",
      "user-agent": "pipekit-experiment",
      ...(auth.header === undefined ? {} : { authorization: auth.header }),
    };
    const reply = await exchange({ ...request, headers }, signal);
    const { host, origin } = new URL(request.url);
    if (reply.kind === "silence") return failed("transient", `ClearML at ${host} ${reply.why}.`);
    const text = scrub(reply.text, auth.secrets);
    if (reply.status >= 200 && reply.status < 300) {
      const checked = schema.safeParse(parseJson(reply.text));
      if (checked.success) return { ok: true, value: checked.data };
      const reason = `${stranger({ ...reply, text }, { name: "ClearML", url: origin })}.`;
      return failed("transient", reason, { afterMs: PERSON_MS });
    }
    const fault: Fault = readFault({ ...reply, text }, parseJson(text), origin);
    const reason = scrub(fault.reason, auth.secrets);
    return { ok: false, fault: { ...fault, reason, ...(reply.status === 401 ? { code: 401 } : {}) } };
  }
}
