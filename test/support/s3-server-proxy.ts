/** A proxy before a real S3 server that counts requests by operation, and does harm where a test asks for it. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { BUCKET } from "./seaweed.ts";

/** A request as it came. */
export interface SeenRequest {
  readonly operation: string;
  /** Key in the bucket, decoded; empty for the bucket itself. */
  readonly key: string;
  readonly partNumber: number | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Bytes of the body; known when it has passed. */
  bytes: number;
}

/**
 * What happens to a request. `answer`: it never reaches the server. `hang`: nor does an answer come. `lose`: it is carried
 * out, and the connection is cut before the answer. `cut`: the answer's body ends after so many bytes; `stall`: it stops
 * there and the connection stays. `spoil`: one byte of the body is flipped; `spoil request`: of that of the request.
 */
export type Harm =
  | { readonly kind: "answer"; readonly status: number; readonly code: string }
  /** A page of a login portal. */
  | { readonly kind: "page" }
  | { readonly kind: "hang" | "lose" | "spoil" | "spoil request" }
  | { readonly kind: "cut" | "stall"; readonly bytes: number };

export interface S3Proxy {
  readonly endpoint: string;
  readonly requests: SeenRequest[];
  /** Asked for each request; undefined lets it pass. */
  harm: (request: SeenRequest) => Harm | undefined;
  /** Told of each request that was answered to the end. */
  answered: (request: SeenRequest) => void;
  /** Requests by operation. */
  counts(): Record<string, number>;
  stop(): Promise<void>;
}

/** Starts a proxy before `endpoint`. */
export async function startS3Proxy(endpoint: string): Promise<S3Proxy> {
  const requests: SeenRequest[] = [];
  const server = createServer((incoming, outgoing) => {
    const seen = seenRequest(incoming);
    requests.push(seen);
    const harm = proxy.harm(seen);
    if (harm?.kind === "hang") return incoming.resume();
    if (harm?.kind === "answer") return refuse(incoming, outgoing, harm.status, harm.code);
    outgoing.on("finish", () => proxy.answered(seen));
    if (harm?.kind === "page") return showPage(incoming, outgoing);
    return forward(endpoint, seen, incoming, outgoing, harm);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const proxy: S3Proxy = {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    harm: () => undefined,
    answered: () => undefined,
    counts() {
      const counts: Record<string, number> = {};
      for (const { operation } of requests) counts[operation] = (counts[operation] ?? 0) + 1;
      return counts;
    },
    stop: () => close(server),
  };
  return proxy;
}

/** One harm for the first `times` requests of an operation, and none for others. */
export function harmFirst(times: number, operation: string, harm: Harm): S3Proxy["harm"] {
  let left = times;
  return (seen) => (seen.operation === operation && left-- > 0 ? harm : undefined);
}

function seenRequest(incoming: IncomingMessage): SeenRequest {
  const url = new URL(incoming.url ?? "", "http://host");
  const key = decodeURIComponent(url.pathname).replace(`/${BUCKET}`, "").replace(/^\//, "");
  const number = url.searchParams.get("partNumber");
  return {
    operation: operationOf(incoming, url.searchParams),
    key,
    partNumber: number === null ? undefined : Number(number),
    headers: incoming.headers,
    bytes: 0,
  };
}

function operationOf({ method = "", headers }: IncomingMessage, query: URLSearchParams): string {
  const copies = headers["x-amz-copy-source"] !== undefined;
  if (method === "PUT" && query.has("partNumber")) return copies ? "UploadPartCopy" : "UploadPart";
  if (method === "PUT") return copies ? "CopyObject" : "PutObject";
  if (method === "POST") return query.has("uploads") ? "CreateMultipartUpload" : "CompleteMultipartUpload";
  if (method === "DELETE") return query.has("uploadId") ? "AbortMultipartUpload" : "DeleteObject";
  if (method === "HEAD") return "HeadObject";
  if (query.has("uploads")) return "ListMultipartUploads";
  if (query.has("uploadId")) return "ListParts";
  return query.has("list-type") ? "ListObjectsV2" : "GetObject";
}

function refuse(incoming: IncomingMessage, outgoing: ServerResponse, status: number, code: string): void {
  incoming.resume();
  incoming.on("end", () => {
    outgoing.writeHead(status, { "content-type": "application/xml" });
    outgoing.end(
      `<?xml version="1.0"?><Error><Code>${code}</Code><Message>as the test wants</Message></Error>`,
    );
  });
}

function showPage(incoming: IncomingMessage, outgoing: ServerResponse): void {
  incoming.resume();
  incoming.on("end", () => {
    outgoing.writeHead(200, { "content-type": "text/html" });
    outgoing.end(incoming.method === "HEAD" ? undefined : "<html><body>Please log in</body></html>");
  });
}

function forward(
  endpoint: string,
  seen: SeenRequest,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  harm: Harm | undefined,
): void {
  const { method, url, headers } = incoming;
  // The host header is that of the proxy: it is signed.
  const upstream = request(new URL(url ?? "", endpoint), { method: method ?? "", headers }, (answer) => {
    if (harm?.kind === "lose") {
      answer.resume();
      answer.on("end", () => incoming.socket.destroy());
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    let left = harm?.kind === "cut" || harm?.kind === "stall" ? harm.bytes : Number.POSITIVE_INFINITY;
    answer.on("data", (chunk: Buffer) => {
      if (harm?.kind === "spoil") chunk[0] = (chunk[0] ?? 0) ^ 1;
      if (left > 0 && !outgoing.write(chunk.subarray(0, Math.min(left, chunk.length)))) {
        answer.pause();
        outgoing.once("drain", () => answer.resume());
      }
      left -= chunk.length;
      if (left <= 0 && harm?.kind === "cut") setImmediate(() => incoming.socket.destroy());
    });
    answer.on("end", () => {
      if (left > 0) outgoing.end();
    });
    answer.on("error", () => outgoing.destroy());
  });
  upstream.on("error", () => incoming.socket.destroy());
  outgoing.on("close", () => upstream.destroy());
  incoming.on("data", (chunk: Buffer) => {
    if (harm?.kind === "spoil request" && seen.bytes === 0) chunk[0] = (chunk[0] ?? 0) ^ 1;
    seen.bytes += chunk.length;
  });
  incoming.pipe(upstream);
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
