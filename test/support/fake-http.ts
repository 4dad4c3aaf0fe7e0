/**
 * An HTTP server that misbehaves on demand. With an upstream it is a proxy that passes on what it has no fault for,
 * so that a real tool can be seen through a bad network.
 */

import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What the server does to one request. */
export type Fault =
  /** Answers so. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** Answers so without reading the body, and closes. */
  | { readonly kind: "refuseBody"; readonly status: number; readonly body?: string }
  /** Never answers. */
  | { readonly kind: "hang" }
  /** Closes the connection instead of answering. */
  | { readonly kind: "reset" }
  /** Announces a longer body than it sends, then closes. */
  | { readonly kind: "halfAnswer"; readonly status: number; readonly body: string }
  /** Passes the request on, and closes the connection instead of passing back the answer. */
  | { readonly kind: "loseAnswer" };

export interface SeenRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  /** Empty when the body was not read. */
  readonly body: string;
}

/** Decides what happens to a request; undefined passes it on, or answers `{}` when there is no upstream. */
export type Script = (request: SeenRequest) => Fault | undefined;

export interface FakeHttp {
  readonly url: string;
  readonly host: string;
  readonly seen: readonly SeenRequest[];
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
): Fault => ({
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

/** Starts it on a free loopback port. `upstream` is the address of the real server. */
export async function startFakeHttp(upstream?: string): Promise<FakeHttp> {
  const seen: SeenRequest[] = [];
  let injected: { fault: Fault; path: RegExp }[] = [];
  let script: Script = () => undefined;
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const early = injected.find(
      ({ fault, path }) => fault.kind === "refuseBody" && path.test(request.url ?? ""),
    );
    if (early === undefined && request.headers.expect !== undefined) response.writeContinue();
    const body = early === undefined ? await readBody(request) : Buffer.alloc(0);
    const { method = "", url: path = "", headers } = request;
    const entry = { method, path, headers, body: body.toString("utf8") };
    seen.push(entry);
    const queued = early ?? injected.find((candidate) => candidate.path.test(path));
    if (queued !== undefined) injected = injected.filter((candidate) => candidate !== queued);
    const fault = queued?.fault ?? script(entry);
    if (fault === undefined || fault.kind === "loseAnswer") {
      await passOn(upstream, request, body, response, fault !== undefined);
    } else misbehave(fault, request, response);
  };
  const server = createServer(handle).on("checkContinue", handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}`,
    host,
    seen,
    inject: (fault, path = /./) => injected.push({ fault, path }),
    script: (next) => {
      script = next;
      injected = [];
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function misbehave(
  fault: Exclude<Fault, { kind: "loseAnswer" }>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  switch (fault.kind) {
    case "answer":
      response.writeHead(fault.status, fault.headers).end(fault.body ?? "");
      return;
    case "refuseBody":
      response
        .writeHead(fault.status, { connection: "close" })
        .end(fault.body ?? "", () => request.socket.destroySoon());
      return;
    case "hang":
      return;
    case "reset":
      request.socket.resetAndDestroy();
      return;
    case "halfAnswer":
      response.writeHead(fault.status, { "content-length": String(fault.body.length + 100) });
      response.write(fault.body, () => request.socket.destroy());
  }
}

async function passOn(
  upstream: string | undefined,
  request: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
  lose: boolean,
): Promise<void> {
  if (upstream === undefined) {
    if (lose) request.socket.resetAndDestroy();
    else response.writeHead(200, { "content-type": "application/json" }).end("{}");
    return;
  }
  const target = new URL(request.url ?? "/", upstream);
  const headers = { ...request.headers, host: target.host };
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: Buffer }>();
  const call = httpRequest(target, { method: request.method ?? "GET", headers }, (answered) => {
    readBody(answered).then((text) => resolve({ status: answered.statusCode ?? 502, body: text }), reject);
  });
  call.on("error", reject).end(body);
  const result = await promise.catch(() => undefined);
  if (lose || result === undefined) request.socket.resetAndDestroy();
  else response.writeHead(result.status, { "content-type": "application/json" }).end(result.body);
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
