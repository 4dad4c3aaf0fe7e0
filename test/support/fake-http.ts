/**
 * An HTTP server that misbehaves on demand. With an upstream it is a proxy that passes on what it has no fault for,
 * so that a real tool can be seen through a bad network.
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { carryOut, misbehave, readBody } from "./fake-http-faults.ts";

/** What the server does to one request. */
export type Fault =
  /** Answers so. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      /** Milliseconds before the answer; none when absent. */
      readonly afterMs?: number;
    }
  /** Answers so without reading the body, and closes. */
  | { readonly kind: "refuseBody"; readonly status: number; readonly body?: string }
  /** Never answers. */
  | { readonly kind: "hang" }
  /** Closes the connection instead of answering. */
  | { readonly kind: "reset" }
  /** Closes the connection in the middle of the request's body. */
  | { readonly kind: "resetRequest" }
  /** Announces a longer body than it sends, then closes. */
  | { readonly kind: "halfAnswer"; readonly status: number; readonly body: string }
  /** Passes the request on, and closes the connection instead of passing back the answer. */
  | { readonly kind: "loseAnswer" }
  /** Passes the request on, and closes the connection in the middle of the answer. */
  | { readonly kind: "resetAnswer" }
  /** Passes the request on, and answers with the first half of the answer's body as if it were the whole. */
  | { readonly kind: "truncate" }
  /** Passes the request on, and lets the answer trickle, one piece after each pause. */
  | { readonly kind: "slow"; readonly pieces: number; readonly pauseMs: number }
  /** Passes on what `half` makes of the body, and answers with `reply` whatever the tool says. */
  | {
      readonly kind: "halfAccept";
      readonly half: (body: string, request: SeenRequest) => string;
      readonly reply: Extract<Fault, { kind: "answer" }>;
    };

export interface SeenRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  /** Empty when the body was not read. */
  readonly body: string;
  /** What the tool got and with which status it answered; absent when nothing came to a tool. */
  carriedOut?: { readonly body: string; readonly status: number };
}

/** Decides what happens to a request; undefined passes it on, or answers `{}` when there is no upstream. */
export type Script = (request: SeenRequest) => Fault | undefined;

export interface FakeHttp {
  readonly url: string;
  readonly host: string;
  readonly seen: readonly SeenRequest[];
  /** False keeps no more requests in `seen`. */
  remember: boolean;
  /** Faults for the next requests whose path fits, one each, before the script is asked. */
  inject(fault: Fault, path?: RegExp): void;
  /** Replaces the script, and forgets injected faults. */
  script(script: Script): void;
  close(): Promise<void>;
}

export const answer = (
  status: number,
  body: string | object = "",
  headers: Record<string, string> = {},
): Extract<Fault, { kind: "answer" }> => ({
  kind: "answer",
  status,
  body: typeof body === "string" ? body : JSON.stringify(body),
  headers: typeof body === "string" ? headers : { "content-type": "application/json", ...headers },
});

export const tooManyRequests = (retryAfter?: string): Fault =>
  answer(
    429,
    { error_code: "REQUEST_LIMIT_EXCEEDED", message: "slow down" },
    retryAfter === undefined ? {} : { "retry-after": retryAfter },
  );

export const htmlPage = (status = 200): Fault =>
  answer(status, "<!DOCTYPE html><html><body>Router login</body></html>", { "content-type": "text/html" });

/** Faults that are decided before the body is read. */
const EARLY = new Set<Fault["kind"]>(["refuseBody", "resetRequest"]);

/** Where a fake listens that has to be found where it was before. */
export interface FakePlace {
  readonly address: string;
  readonly port: number;
}

/** Starts it, on a free loopback port unless a place is given. `upstream` is the address of the real server. */
export async function startFakeHttp(
  upstream?: string,
  { address, port }: FakePlace = { address: "127.0.0.1", port: 0 },
): Promise<FakeHttp> {
  const seen: SeenRequest[] = [];
  let injected: { fault: Fault; path: RegExp }[] = [];
  let script: Script = () => undefined;
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = "", url: path = "", headers } = request;
    const queued = injected.find((candidate) => candidate.path.test(path));
    if (queued !== undefined) injected = injected.filter((candidate) => candidate !== queued);
    const early = queued !== undefined && EARLY.has(queued.fault.kind);
    if (!early && headers.expect !== undefined) response.writeContinue();
    const bytes = early ? Buffer.alloc(0) : await readBody(request);
    const entry: SeenRequest = { method, path, headers, body: bytes.toString("utf8") };
    if (server.remember) seen.push(entry);
    const fault = queued?.fault ?? script(entry);
    if (fault === undefined || !(await misbehave(fault, request, response))) {
      await carryOut(upstream, { entry, bytes, request, response, fault });
    }
  };
  // A client that is gone in the middle of its body is nothing to answer.
  const listener = createServer((request, response) => void handle(request, response).catch(() => undefined));
  listener.on("checkContinue", (request, response) => void handle(request, response).catch(() => undefined));
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(port, address, resolve);
  });
  const host = `${address}:${(listener.address() as AddressInfo).port}`;
  const server: FakeHttp = {
    url: `http://${host}`,
    host,
    seen,
    remember: true,
    inject: (fault, path = /./) => injected.push({ fault, path }),
    script: (next) => {
      script = next;
      injected = [];
    },
    close: async () => {
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return server;
}
