/** The page's server: HTTP on loopback, for browsers of this machine. */
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { PipekitError } from "@pipekit/proto";
import { failureDocument } from "../view/documents/failure.ts";
import type { View } from "../view/index.ts";
import { Desk } from "./desk.ts";
import type { PageFiles } from "./page.ts";
import { Pages } from "./pages.ts";
import { Refusal } from "./refusal.ts";
import { Browsers, Tokens } from "./secrets.ts";

const HOST = "127.0.0.1";
const LIMITS = {
  maxHeaderSize: 16 * 2 ** 10,
  headersTimeout: 5000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 1000,
  keepAliveTimeout: 5000,
};
const MOST_CONNECTIONS = 128;

export interface UiOptions {
  readonly view: View;
  readonly page: PageFiles;
  /** 0, the default, for any that is free. */
  readonly port?: number;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
}

/** A page that is served. */
export interface Ui {
  readonly port: number;
  /** Streams of events that are open. */
  readonly pages: number;
  /** An address that lets in one browser, once, within ten minutes. Each call makes another. */
  newAddress(): string;
  /** Ends every page and stops. The view stays open. */
  close(): Promise<void>;
}

/** Starts to serve. Throws INVALID_ARGUMENT when the port cannot be had. */
export async function serveUi({
  view,
  page,
  port = 0,
  now = () => performance.now(),
}: UiOptions): Promise<Ui> {
  const server = createServer(LIMITS);
  server.maxConnections = MOST_CONNECTIONS;
  const ownPort = await listen(server, port);
  const tokens = new Tokens(now);
  const desk = new Desk(page, new Pages(view), tokens, new Browsers(ownPort), ownPort);
  server.on("request", (request, answer) => void desk.take(request, answer));
  server.on("clientError", refuseMalformed);
  return {
    port: ownPort,
    get pages() {
      return desk.pages.size;
    },
    newAddress: () => `http://${HOST}:${ownPort}/?token=${tokens.issue()}`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        desk.pages.close();
        server.closeAllConnections();
      }),
  };
}

/** Answers what is no HTTP, too large or too slow. There is no request and no answer then, only the connection. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [status, message] = {
    HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "The headers are too large."] as const,
    ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "The request took too long to arrive."] as const,
  }[error.code ?? ""] ?? ["400 Bad Request", "This is no HTTP request."];
  const body = JSON.stringify({ error: failureDocument(new Refusal(0, message, { field: "request" })) });
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `X-Content-Type-Options: nosniff\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((done, fail) => {
    // It stays: a connection that cannot be accepted, for want of file descriptors say, ends no server.
    server.on("error", (error: NodeJS.ErrnoException) =>
      fail(
        new PipekitError("INVALID_ARGUMENT", `Port ${port} cannot be had: ${error.code ?? error.message}.`, {
          field: "port",
          mend: "Name another with --port, or leave it out for any that is free.",
          cause: error,
        }),
      ),
    );
    server.listen(port, HOST, done);
  });
  return (server.address() as AddressInfo).port;
}
