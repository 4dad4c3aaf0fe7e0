/** A request without a body whose answer is read as it comes: files that are too large for memory, or no text. */

import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { AGENTS, networkFault, startOr, UNASKABLE } from "./exchange.ts";

export interface IncomingRequest {
  readonly method: "GET" | "HEAD";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds until the answer begins. */
  readonly timeoutMs: number;
  /** Milliseconds for which the body may stand still. */
  readonly pauseMs: number;
}

/** An answer of any status whose body is still to come, or none and why, as the end of a sentence. */
export type Incoming =
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      /** The body. Fails when it breaks off, stands still or the signal aborts. */
      readonly body: IncomingMessage;
      /** The beginning of the body as text, for a message; what is left is thrown away. */
      text(): Promise<string>;
    }
  | { readonly kind: "silence"; readonly why: string };

/** More than any honest message has. */
const LONGEST_TEXT = 64 * 1024;

/** Carries out a request. Never throws; `signal` ends the body as well. */
export async function receive(request: IncomingRequest, signal: AbortSignal): Promise<Incoming> {
  const first = await once(request, signal);
  // A kept connection that the server had closed says nothing of the server.
  return first === "stale" ? await onceMore(request, signal) : first;
}

async function onceMore(request: IncomingRequest, signal: AbortSignal): Promise<Incoming> {
  const second = await once(request, signal);
  return second === "stale" ? { kind: "silence", why: "closed the connection" } : second;
}

function once(request: IncomingRequest, signal: AbortSignal): Promise<Incoming | "stale"> {
  if (signal.aborted) return Promise.resolve({ kind: "silence", why: "was not asked: the call was aborted" });
  const { promise, resolve } = Promise.withResolvers<Incoming | "stale">();
  const secure = request.url.startsWith("https:");
  const { method, headers } = request;
  const options = { method, headers, agent: secure ? AGENTS.https : AGENTS.http, signal };
  const call = startOr(UNASKABLE, () =>
    secure ? httpsRequest(request.url, options) : httpRequest(request.url, options),
  );
  if ("kind" in call) return Promise.resolve(call);
  const timer = setTimeout(() => {
    resolve({ kind: "silence", why: `gave no answer within ${Math.round(request.timeoutMs / 1000)} s` });
    call.destroy();
  }, request.timeoutMs);
  call.on("response", (body) => {
    clearTimeout(timer);
    call.setTimeout(request.pauseMs, () => call.destroy(new Error("the answer stands still")));
    resolve({
      kind: "answer",
      status: body.statusCode ?? 0,
      headers: body.headers,
      body,
      text: () => beginning(body),
    });
  });
  call.on("error", (error: NodeJS.ErrnoException) => {
    clearTimeout(timer);
    if (signal.aborted) resolve({ kind: "silence", why: "was not waited for: the call was aborted" });
    else if (call.reusedSocket && ["ECONNRESET", "EPIPE"].includes(error.code ?? "")) resolve("stale");
    else resolve({ kind: "silence", why: networkFault(error) });
  });
  call.end();
  return promise;
}

async function beginning(body: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > LONGEST_TEXT) break;
    }
  } catch {
    // What has come is shown.
  }
  return Buffer.concat(chunks).toString("utf8");
}
