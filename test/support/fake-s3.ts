/**
 * A server that speaks as much of S3 as the probe needs, in memory, with the faults that real servers have with conditional
 * writes. `sound` behaves as AWS does: of writes of one key at a time all but one are told that another is under way.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";

/**
 * `ignores`: takes the headers and writes anyway. `ignores if-match`: keeps the other one. `looks first`: looks, waits and
 * then writes. `refuses`: answers 501. `forgets`: says that it has written, and keeps nothing.
 */
export type FakeS3Kind = "sound" | "ignores" | "ignores if-match" | "looks first" | "refuses" | "forgets";

export interface FakeS3 {
  readonly endpoint: string;
  /** Path to content. */
  readonly objects: Map<string, Buffer>;
  stop(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly body?: Buffer;
  readonly etag?: string;
}

export async function startFakeS3(kind: FakeS3Kind): Promise<FakeS3> {
  const objects = new Map<string, Buffer>();
  const busy = new Set<string>();
  const put = async (path: string, body: Buffer, headers: IncomingMessage["headers"]): Promise<Answer> => {
    const conditional = headers["if-none-match"] !== undefined || headers["if-match"] !== undefined;
    if (kind === "refuses" && conditional) return { status: 501, code: "NotImplemented" };
    if (kind === "sound" && busy.has(path)) return { status: 409, code: "ConditionalRequestConflict" };
    busy.add(path);
    let denied = isIgnored(kind, headers) ? undefined : falseCondition(objects.get(path), headers);
    // Others come in between.
    await setTimeout(5);
    if (kind === "ignores if-match" && !isIgnored(kind, headers)) {
      denied = falseCondition(objects.get(path), headers);
    }
    busy.delete(path);
    if (denied !== undefined) return denied;
    if (kind !== "forgets") objects.set(path, body);
    return { status: 200, etag: etagOf(body) };
  };
  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const path = new URL(incoming.url ?? "", "http://host").pathname;
    const body = Buffer.concat(await incoming.toArray());
    if (incoming.method === "PUT") return send(outgoing, await put(path, body, incoming.headers));
    if (incoming.method === "DELETE") {
      objects.delete(path);
      return send(outgoing, { status: 204 });
    }
    const found = objects.get(path);
    if (found === undefined) return send(outgoing, { status: 404, code: "NoSuchKey" });
    return send(outgoing, { status: 200, body: found, etag: etagOf(found) });
  };
  const server = createServer((incoming, outgoing) => void serve(incoming, outgoing));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    objects,
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function isIgnored(kind: FakeS3Kind, headers: IncomingMessage["headers"]): boolean {
  return kind === "ignores" || (kind === "ignores if-match" && headers["if-match"] !== undefined);
}

function falseCondition(there: Buffer | undefined, headers: IncomingMessage["headers"]): Answer | undefined {
  const expected = headers["if-match"];
  if (headers["if-none-match"] === "*" && there !== undefined)
    return { status: 412, code: "PreconditionFailed" };
  if (expected !== undefined && there === undefined) return { status: 404, code: "NoSuchKey" };
  if (expected !== undefined && there !== undefined && etagOf(there) !== expected) {
    return { status: 412, code: "PreconditionFailed" };
  }
  return undefined;
}

function send(outgoing: ServerResponse, { status, code, body, etag }: Answer): void {
  const text = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>as a server says it</Message></Error>`;
  const content = code === undefined ? body : Buffer.from(text);
  outgoing.writeHead(status, {
    ...(etag !== undefined && { etag }),
    ...(content !== undefined && { "content-length": content.length }),
  });
  outgoing.end(content);
}

function etagOf(body: Buffer): string {
  return `"${createHash("md5").update(body).digest("hex")}"`;
}
