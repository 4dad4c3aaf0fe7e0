import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Logger } from "pino";
import type { ScrapeConfig } from "../config/index.ts";

const PATH = "/metrics";
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
/** A port that another has is tried again after this time, milliseconds. */
const AGAIN_MS = 2000;
/** Connections at a time. Prometheus keeps one. */
const MAX_CONNECTIONS = 32;

/**
 * The page that Prometheus reads. A port that somebody else has does not keep the daemon from its work: it is told,
 * and tried again.
 */
export class ScrapeServer {
  readonly #settings: ScrapeConfig;
  readonly #page: () => Promise<string>;
  readonly #log: Logger;
  #server: Server | undefined;
  #again: NodeJS.Timeout | undefined;
  #fault: string | undefined;
  #closed = false;

  constructor(settings: ScrapeConfig, page: () => Promise<string>, log: Logger) {
    this.#settings = settings;
    this.#page = page;
    this.#log = log;
  }

  /** Why nobody can read the page; undefined when it can be read. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Resolves when it listens, or when that failed for now. */
  async listen(): Promise<void> {
    const { host, port } = this.#settings;
    const server = createServer((request, response) => void this.#answer(request, response));
    server.maxConnections = MAX_CONNECTIONS;
    server.headersTimeout = 5000;
    server.requestTimeout = 10_000;
    this.#server = server;
    const error = await new Promise<Error | undefined>((resolve) => {
      server.once("error", resolve);
      server.listen(port, host, () => resolve(undefined));
    });
    server.unref();
    server.on("error", (err) => this.#log.warn({ err }, "the server of metrics"));
    if (error === undefined) {
      if (this.#fault !== undefined) this.#log.info({ host, port }, "metrics can be read again");
      this.#fault = undefined;
    } else this.#listenAgain(error);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#again);
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  #listenAgain(error: Error): void {
    const { host, port } = this.#settings;
    const code = "code" in error ? String(error.code) : error.message;
    if (this.#fault === undefined) this.#log.error({ host, port, code }, "metrics_listen cannot be bound");
    this.#fault = `Metrics cannot be read: the address ${host}:${port} (metrics_listen) cannot be bound (${code}).`;
    if (this.#closed) return;
    this.#again = setTimeout(() => void this.listen(), AGAIN_MS).unref();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split("?", 1)[0];
    // Nobody has anything to send.
    request.resume();
    if (request.method !== "GET" && request.method !== "HEAD")
      return end(response, 405, { allow: "GET, HEAD" });
    if (path !== PATH) return end(response, 404);
    if (!(await this.#mayRead(request))) return end(response, 401, { "www-authenticate": "Bearer" });
    try {
      const text = await this.#page();
      response.writeHead(200, { "content-type": CONTENT_TYPE, "content-length": Buffer.byteLength(text) });
      response.end(request.method === "HEAD" ? undefined : text);
    } catch (err) {
      this.#log.warn({ err }, "metrics were not read");
      end(response, 503);
    }
  }

  async #mayRead(request: IncomingMessage): Promise<boolean> {
    const { isToken } = this.#settings;
    if (isToken === undefined) return true;
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
    return token !== undefined && (await isToken(token));
  }
}

function end(
  response: ServerResponse,
  status: number,
  headers: { readonly [name: string]: string } = {},
): void {
  response.writeHead(status, headers);
  response.end();
}
