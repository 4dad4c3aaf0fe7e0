/**
 * One HTTP exchange on kept-alive connections: no redirects, no Origin, a time limit, and bodies streamed from disk.
 *
 * Node's http client rather than fetch: fetch keeps a second copy of a streamed body for a possible redirect, which
 * holds a whole artifact in memory.
 */

import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { bodyLength, type FileSlice, stream, wanted } from "./body.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | FileSlice;
  /** Milliseconds without any progress of a streamed body, else for the whole exchange. */
  readonly timeoutMs: number;
  /** True when the server may carry it out twice: it is repeated once when a kept connection turns out dead. */
  readonly repeatable: boolean;
}

/** What came back: an answer of any status, or no whole answer and why, as the end of a sentence. */
export type HttpReply =
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly text: string;
    }
  | { readonly kind: "silence"; readonly why: string };

type Outcome = HttpReply | { readonly kind: "stale" };

// Servers close idle connections after some seconds (uvicorn: 5); ours go first, so that none is used as it closes.
const AGENT_OPTIONS = { keepAlive: true, maxFreeSockets: 16, timeout: 4000 };
export const AGENTS = { http: new HttpAgent(AGENT_OPTIONS), https: new HttpsAgent(AGENT_OPTIONS) };

/** Longest body that is read; the largest honest one is a page of metric history. */
const LONGEST_BODY = 32 * 1024 * 1024;

/**
 * Bodies of this size wait for the server's word that it wants them: a server that refuses a body half sent and
 * closes may take its own answer from us.
 */
const ASK_FIRST_BYTES = 1024 * 1024;

/** Carries out a request. Never throws; ends at once when `signal` aborts. */
export async function exchange(request: HttpRequest, signal: AbortSignal): Promise<HttpReply> {
  const ask = (sliceOf(request)?.length ?? 0) >= ASK_FIRST_BYTES;
  const first = await once(request, ask, signal);
  const unasked = ask && first.kind === "answer" && first.status === 417;
  if (first.kind !== "stale" && !unasked) return first;
  const second = await once(request, ask && !unasked, signal);
  return second.kind === "stale" ? { kind: "silence", why: "closed the connection" } : second;
}

function once(request: HttpRequest, ask: boolean, signal: AbortSignal): Promise<Outcome> {
  if (signal.aborted) return Promise.resolve({ kind: "silence", why: "was not asked: the call was aborted" });
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const call = startOr(UNASKABLE, () => start(request, ask));
  if ("kind" in call) return Promise.resolve(call);
  const body = sliceOf(request);
  let bodyFault: string | undefined;
  const finish = (outcome: Outcome) => {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    resolve(outcome);
  };
  const giveUp = (why: string) => {
    finish({ kind: "silence", why });
    call.destroy();
  };
  const onAbort = () => giveUp("was not waited for: the call was aborted");
  const timer = setTimeout(
    () => giveUp(`gave no answer within ${Math.round(request.timeoutMs / 1000)} s`),
    request.timeoutMs,
  );
  signal.addEventListener("abort", onAbort, { once: true });
  call.on("response", async (response) => {
    finish(await collect(response));
    // An answer before the end of the body: the server wants no more of it.
    if (!call.writableEnded) call.destroy();
  });
  call.on("error", (error: NodeJS.ErrnoException) => {
    const stale =
      call.reusedSocket && request.repeatable && ["ECONNRESET", "EPIPE"].includes(error.code ?? "");
    finish(stale ? { kind: "stale" } : { kind: "silence", why: bodyFault ?? networkFault(error) });
  });
  if (body === undefined) call.end(wholeOf(request));
  else {
    (ask ? wanted(call) : Promise.resolve())
      .then(() => stream(body, call, () => timer.refresh()))
      .catch((error: Error) => {
        bodyFault = `was not sent all of a file that cannot be read: ${error.message}`;
        call.destroy(error);
      });
  }
  return promise;
}

/** A server that is asked with what it said itself, such as a token or an address, may have said anything. */
export const UNASKABLE = {
  kind: "silence",
  why: "cannot be asked: its address, or a header for it, holds what HTTP does not take",
} as const;

/** What is started; `otherwise` when Node refuses the address or a header. */
export function startOr<T>(otherwise: T, work: () => ClientRequest): ClientRequest | T {
  try {
    return work();
  } catch {
    return otherwise;
  }
}

function start(request: HttpRequest, ask: boolean): ClientRequest {
  const slice = sliceOf(request);
  const length = slice === undefined ? Buffer.byteLength(wholeOf(request)) : bodyLength(slice);
  const secure = request.url.startsWith("https:");
  const options = {
    method: request.method,
    agent: secure ? AGENTS.https : AGENTS.http,
    headers: {
      ...request.headers,
      ...(request.method === "GET" ? {} : { "content-length": String(length) }),
      ...(ask ? { expect: "100-continue" } : {}),
    },
  };
  return secure ? httpsRequest(request.url, options) : httpRequest(request.url, options);
}

/** The body where it is streamed from disk. */
function sliceOf({ body }: HttpRequest): FileSlice | undefined {
  return typeof body === "object" && !Buffer.isBuffer(body) ? body : undefined;
}

/** The body where it is in memory; empty by default. */
function wholeOf({ body = "" }: HttpRequest): string | Buffer {
  return typeof body === "string" || Buffer.isBuffer(body) ? body : "";
}

async function collect(response: IncomingMessage): Promise<HttpReply> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > LONGEST_BODY) {
        response.destroy();
        return { kind: "silence", why: `answered with more than ${LONGEST_BODY} bytes` };
      }
      chunks.push(chunk);
    }
  } catch {
    return { kind: "silence", why: "broke off in the middle of an answer" };
  }
  const text = Buffer.concat(chunks).toString("utf8");
  return { kind: "answer", status: response.statusCode ?? 0, headers: response.headers, text };
}

/** What went wrong with a connection, as the end of a sentence. */
export function networkFault(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ECONNREFUSED":
      return "refuses connections";
    case "ECONNRESET":
    case "EPIPE":
      return "closed the connection";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "is not a host name that can be resolved";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "ETIMEDOUT":
      return "cannot be reached";
    default:
      // Node's HTTP parser: what answers is a server of another kind.
      if (error.code?.startsWith("HPE_")) return "does not speak HTTP: something else answers there";
      return `cannot be talked to (${error.code ?? error.name})`;
  }
}
