/** How fake-http.ts misbehaves, and how it passes on. */

import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Fault, SeenRequest } from "./fake-http.ts";

/** Names of headers that belong to one connection. */
const HOP = new Set(["connection", "keep-alive", "transfer-encoding", "content-length"]);

/** Carries out a fault that keeps the request from the tool; false when it is one of the others. */
export async function misbehave(
  fault: Fault,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  switch (fault.kind) {
    case "answer":
      if (fault.afterMs !== undefined) await delay(fault.afterMs);
      response.writeHead(fault.status, fault.headers).end(fault.body ?? "");
      return true;
    case "refuseBody":
      response
        .writeHead(fault.status, { connection: "close" })
        .end(fault.body ?? "", () => request.socket.destroySoon());
      return true;
    case "hang":
      return true;
    case "reset":
      request.socket.resetAndDestroy();
      return true;
    case "resetRequest":
      await firstBytes(request, response);
      request.socket.resetAndDestroy();
      return true;
    case "halfAnswer":
      response.writeHead(fault.status, { "content-length": String(fault.body.length + 100) });
      response.write(fault.body, () => request.socket.destroy());
      return true;
    default:
      return false;
  }
}

/** A request on its way to the tool. */
interface Passage {
  readonly entry: SeenRequest;
  readonly bytes: Buffer;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly fault: Fault | undefined;
}

/** Has the tool carry a request out, and answers as the fault says. */
export async function carryOut(upstream: string | undefined, passage: Passage): Promise<void> {
  const { entry, bytes, request, response, fault } = passage;
  const half = fault?.kind === "halfAccept" ? Buffer.from(fault.half(entry.body, entry)) : undefined;
  const reply = await ask(upstream, request, half ?? bytes);
  if (reply !== undefined) entry.carriedOut = { body: half?.toString() ?? entry.body, status: reply.status };
  if (reply === undefined || fault?.kind === "loseAnswer") {
    request.socket.resetAndDestroy();
    return;
  }
  const { status, headers, body } = reply;
  const middle = Math.floor(body.length / 2);
  switch (fault?.kind) {
    case "halfAccept":
      response.writeHead(fault.reply.status, fault.reply.headers).end(fault.reply.body ?? "");
      return;
    case "resetAnswer":
      response.writeHead(status, { ...headers, "content-length": String(body.length) });
      // An answer of some bytes still has a middle: between head and body.
      if (middle > 0)
        await new Promise<void>((resolve) => response.write(body.subarray(0, middle), () => resolve()));
      else response.flushHeaders();
      await delay(5);
      request.socket.resetAndDestroy();
      return;
    case "truncate":
      response.writeHead(status, headers).end(body.subarray(0, middle));
      return;
    case "slow":
      response.writeHead(status, { ...headers, "content-length": String(body.length) });
      response.flushHeaders();
      for (let piece = 0; piece < fault.pieces; piece++) {
        await delay(fault.pauseMs);
        const at = (index: number) => Math.round((body.length * index) / fault.pieces);
        response.write(body.subarray(at(piece), at(piece + 1)));
      }
      response.end();
      return;
    default:
      response.writeHead(status, headers).end(body);
  }
}

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Buffer;
}

/** The tool's answer; undefined when it gives none. Without a tool everything is answered with `{}`. */
async function ask(
  upstream: string | undefined,
  request: IncomingMessage,
  body: Buffer,
): Promise<Reply | undefined> {
  if (upstream === undefined) {
    return { status: 200, headers: { "content-type": "application/json" }, body: Buffer.from("{}") };
  }
  const target = new URL(request.url ?? "/", upstream);
  const sent = Object.entries(request.headers).filter(([name]) => !HOP.has(name) && name !== "expect");
  const headers = {
    ...Object.fromEntries(sent),
    host: target.host,
    // Both names of a body's length left out, Node would send chunks, which not every server takes.
    ...(request.method === "GET" && body.length === 0 ? {} : { "content-length": String(body.length) }),
  };
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const call = httpRequest(target, { method: request.method ?? "GET", headers }, (answered) => {
    const kept = Object.entries(answered.headers).flatMap(([name, value]) =>
      HOP.has(name) || value === undefined ? [] : [[name, value] as const],
    );
    readBody(answered).then((bytes) => {
      resolve({ status: answered.statusCode ?? 502, headers: Object.fromEntries(kept), body: bytes });
    }, reject);
  });
  call.on("error", reject).end(body);
  return await promise.catch(() => undefined);
}

/** Waits for the beginning of a request's body, when it has one. */
async function firstBytes(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.headers.expect !== undefined) response.writeContinue();
  await new Promise<void>((resolve) => {
    for (const event of ["data", "end", "error", "close"]) request.once(event, () => resolve());
  });
}

/** All of a message's body. */
export async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
