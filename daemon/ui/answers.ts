/** How answers are written: always with the headers that keep the page to itself. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname } from "node:path";
import { failureDocument } from "../view/documents/failure.ts";
import { Refusal } from "./refusal.ts";

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
};

const TYPES: { readonly [extension: string]: string } = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

/** Sets the headers that every answer has. */
export function setHeaders(answer: ServerResponse): void {
  for (const [name, value] of Object.entries(HEADERS)) answer.setHeader(name, value);
}

/** Sends a file of the page. */
export function sendFile(answer: ServerResponse, name: string, content: Uint8Array): void {
  send(answer, 200, TYPES[extname(name)] ?? "application/octet-stream", content);
}

export function sendJson(answer: ServerResponse, status: number, document: unknown): void {
  send(answer, status, "application/json; charset=utf-8", Buffer.from(JSON.stringify(document)));
}

/** Sends a browser that was let in to the page. Its own page sends it: after a redirect a strict cookie would stay behind where a link of another site was followed. */
export function sendOn(answer: ServerResponse, cookie: string): void {
  answer.setHeader("Set-Cookie", cookie);
  answer.setHeader("Refresh", "0; url=/");
  // With an icon of its own, so that the browser does not ask for one that is not there.
  const page = '<!doctype html><link rel="icon" href="data:,"><p>The page opens.\n';
  send(answer, 200, "text/html; charset=utf-8", Buffer.from(page));
}

/** Tells why a request failed: to a person who opens an address as text, to a program as `{"error": ...}`. */
export function sendFailure(request: IncomingMessage, answer: ServerResponse, error: unknown): void {
  const failure = failureDocument(error);
  const status = error instanceof Refusal ? error.status : 500;
  if (answer.headersSent) {
    answer.destroy();
    return;
  }
  if (error instanceof Refusal) {
    for (const [name, value] of Object.entries(error.headers)) answer.setHeader(name, value);
  }
  // What is left of the body is not read.
  if (!request.complete) answer.setHeader("Connection", "close");
  if (request.headers["sec-fetch-mode"] === "navigate") {
    const text = [failure.message, failure.mend].filter(Boolean).join("\n");
    send(answer, status, "text/plain; charset=utf-8", Buffer.from(`${text}\n`));
  } else sendJson(answer, status, { error: failure });
}

function send(answer: ServerResponse, status: number, type: string, content: Uint8Array): void {
  answer.writeHead(status, { "Content-Type": type, "Content-Length": content.length });
  // Node leaves the content out of an answer to HEAD.
  answer.end(content);
}
