/** A server between an adapter and a tool that is in order, which changes the tool's answers as it is told. */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { readBody } from "../support/fake-http-faults.ts";
import type { Twist } from "./twists.ts";

/** An answer of the tool. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Buffer;
}

const FLOOD_BYTES = 40 * 2 ** 20;
/** The server. Answers beyond the plan stay as they are. */
export interface HostileServer extends AsyncDisposable {
  readonly url: string;
  readonly host: string;
  /** Requests since the plan was set. */
  readonly requests: number;
  plan(twists: readonly Twist[]): void;
}

/** Starts it. `tool` answers a request; `awayUrl` is where redirects lead. */
export async function startHostile(
  tool: (request: IncomingMessage, body: Buffer) => Promise<Reply>,
  awayUrl: string,
): Promise<HostileServer> {
  let twists: readonly Twist[] = [];
  let requests = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const next = twists[requests++] ?? { kind: "none" };
    const { status, headers, body } = await tool(request, await readBody(request));
    if (next.kind === "raw") request.socket.end(next.bytes);
    else if (next.kind === "stall")
      response
        .writeHead(status, { ...headers, "content-length": String(body.length + 9) })
        .write(body.subarray(0, 1) || "x");
    else if (next.kind === "away")
      response.writeHead(next.status, { location: `${awayUrl}${request.url}` }).end();
    else if (next.kind === "status")
      response
        .writeHead(Math.max(200, next.status), headers)
        .end(next.status === 204 || next.status === 304 ? undefined : body);
    else if (next.kind === "header")
      response.writeHead(status, { ...headers, [next.name]: next.value }).end(body);
    else if (next.kind === "body") whole(response, status, headers, next.change(body));
    else if (next.kind === "flood") flood(response);
    else whole(response, status, headers, body);
  };
  const server = createServer(
    (request, response) => void handle(request, response).catch(() => request.socket.destroy()),
  );
  server.on("checkContinue", (request, response: ServerResponse) => {
    response.writeContinue();
    server.emit("request", request, response);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}`,
    host,
    get requests() {
      return requests;
    },
    plan(next) {
      twists = next;
      requests = 0;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** An answer that tells its length. */
function whole(response: ServerResponse, status: number, headers: Reply["headers"], body: Buffer): void {
  response.writeHead(status, { "content-length": String(body.length), ...headers }).end(body);
}

function flood(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json" });
  const chunk = Buffer.alloc(2 ** 20, " ");
  let left = FLOOD_BYTES;
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      left -= chunk.length;
      if (!response.write(chunk)) return void response.once("drain", more);
    }
    response.end();
  };
  more();
}

/** A tool that a real or fake server of its own answers for. */
export function forwarded(upstream: string): (request: IncomingMessage, body: Buffer) => Promise<Reply> {
  return (request, body) =>
    new Promise((done, fail) => {
      const target = new URL(request.url ?? "/", upstream);
      const { expect: _, connection: __, "transfer-encoding": ___, ...headers } = request.headers;
      const options = {
        method: request.method ?? "GET",
        headers: { ...headers, host: target.host },
        agent: false,
      };
      const call = httpRequest(target, options, (answered) => {
        readBody(answered).then((bytes) => {
          const {
            "content-length": ____,
            "transfer-encoding": _____,
            connection: ______,
            ...kept
          } = answered.headers;
          done({ status: answered.statusCode ?? 502, headers: kept as Reply["headers"], body: bytes });
        }, fail);
      });
      call.on("error", fail).end(body);
    });
}
