/**
 * A ClearML server in this process: API server and files server on one loopback port. It keeps tasks and events, and what
 * it makes of them is told by the sources of clearml-server 2.3.0 (apiserver/bll): one event of equal task, iteration,
 * metric and variant stays, the latest. The real ClearML client works against it (test/clearml/real.test.ts).
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CALLS } from "./fake-clearml-calls.ts";
import { ApiError, type Data, FakeClearmlState, isRecord } from "./fake-clearml-state.ts";

export type { FakeEvent, FakeTask } from "./fake-clearml-state.ts";

/** The server. */
export interface FakeClearml {
  readonly url: string;
  readonly state: FakeClearmlState;
  /** Names of calls in the order in which they came, `auth.login` and uploads included. */
  readonly calls: string[];
  /** Calls that it does not have. */
  readonly unknown: Set<string>;
  /** Replaces the credentials, and makes every token that it gave invalid. */
  renew(accessKey: string, secretKey: string): void;
  /** Makes every token invalid, as when they expire. */
  expireTokens(): void;
  close(): Promise<void>;
}

export const KEYS = { access: "FAKEACCESSKEY", secret: "fake-secret-0123456789" } as const;

/** Starts it on a free loopback port. */
export async function startFakeClearml(): Promise<FakeClearml> {
  const state = new FakeClearmlState();
  const calls: string[] = [];
  const unknown = new Set<string>();
  let keys: { access: string; secret: string } = { ...KEYS };
  let tokens = new Set<string>();

  const login = (header: string): Data => {
    const expected = `Basic ${Buffer.from(`${keys.access}:${keys.secret}`).toString("base64")}`;
    if (header !== expected && !tokens.has(header)) throw new ApiError(401, 22, "invalid credentials");
    const token = makeToken();
    tokens.add(`Bearer ${token}`);
    return { token };
  };
  const carryOut = (name: string, body: string, headers: IncomingMessage["headers"]): Data => {
    const authorization = headers.authorization ?? "";
    if (name === "auth.login") return login(authorization);
    if (!tokens.has(authorization)) throw new ApiError(401, 30, "invalid token");
    const call = CALLS[name];
    if (call === undefined) {
      unknown.add(name);
      throw new ApiError(404, 0, `Unable to find endpoint for name ${name}`);
    }
    const lines = headers["content-type"] === "application/json-lines";
    const data: unknown = lines ? body.split("\n").map(parse) : parse(body || "{}");
    return call(state, Array.isArray(data) ? { items: data } : isRecord(data) ? data : {});
  };
  const api = (name: string, body: string, request: IncomingMessage, response: ServerResponse) => {
    calls.push(name);
    try {
      reply(response, 200, 0, "OK", carryOut(name, body, request.headers));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      reply(response, error.code, error.subcode, error.message, {});
    }
  };
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const path = new URL(request.url ?? "/", "http://fake").pathname;
    const name = /^\/(?:v\d+\.\d+\/)?([a-z_]+\.[a-z_]+)\/?$/.exec(path)?.[1];
    if (name !== undefined) return api(name, body.toString("utf8"), request, response);
    if (request.method === "POST" && path === "/") {
      calls.push("upload");
      return upload(state, body, request, response, tokens);
    }
    const file = state.files.get(decodeURIComponent(path.slice(1)));
    response.writeHead(file === undefined ? 404 : 200, { "content-length": file?.length ?? 0 }).end(file);
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      // A client that is gone in the middle of its body is nothing to answer.
      if (!request.destroyed || request.complete) throw error;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const expireTokens = () => {
    tokens = new Set();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state,
    calls,
    unknown,
    renew: (access, secret) => {
      keys = { access, secret };
      expireTokens();
    },
    expireTokens,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

let made = 0;

/** A token as the client reads it: it decodes the payload, and knows no key to check it by. */
function makeToken(): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const payload = { exp, api_version: "2.34", server_version: "2.3.0", feature_set: "basic", serial: made++ };
  return `${part({ alg: "HS256", typ: "JWT" })}.${part(payload)}.c2lnbmF0dXJl`;
}

function reply(response: ServerResponse, code: number, subcode: number, msg: string, data: Data): void {
  const meta = { id: "call", result_code: code, result_subcode: subcode, result_msg: msg };
  response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify({ meta, data }));
}

/** The files server takes forms whose field names are paths. */
function upload(
  state: FakeClearmlState,
  body: Buffer,
  request: IncomingMessage,
  response: ServerResponse,
  tokens: ReadonlySet<string>,
): void {
  const boundary = /boundary="?([^";]+)/.exec(request.headers["content-type"] ?? "")?.[1];
  if (!tokens.has(request.headers.authorization ?? "") || boundary === undefined) {
    response.writeHead(boundary === undefined ? 400 : 401).end();
    return;
  }
  const stored: string[] = [];
  const mark = Buffer.from(`--${boundary}`);
  for (let at = body.indexOf(mark); at >= 0; ) {
    const next = body.indexOf(mark, at + mark.length);
    if (next < 0) break;
    const part = body.subarray(at + mark.length + 2, next - 2);
    const split = part.indexOf("\r\n\r\n");
    const name = / name="([^"]*)"/.exec(part.subarray(0, split).toString("utf8"))?.[1];
    if (name !== undefined) {
      state.files.set(name.replace(/^\/+/, ""), Buffer.from(part.subarray(split + 4)));
      stored.push(name);
    }
    at = next;
  }
  response.writeHead(200).end(JSON.stringify(stored));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(
      400,
      0,
      "The browser (or proxy) sent a request that this server could not understand.",
    );
  }
}
