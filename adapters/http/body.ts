/** Bodies that are streamed from disk. */

import { createReadStream } from "node:fs";
import type { ClientRequest } from "node:http";

/** Bytes `start` to `start + length` of a file, with text before and after them where it is sent in a form. */
export interface FileSlice {
  readonly path: string;
  readonly start: number;
  readonly length: number;
  readonly head?: string;
  readonly tail?: string;
  /** Told after each piece how many of the file's bytes have been sent. */
  readonly onSent?: (bytes: number) => void;
}

/** Bytes of the whole body. */
export function bodyLength({ length, head = "", tail = "" }: FileSlice): number {
  return Buffer.byteLength(head) + length + Buffer.byteLength(tail);
}

/** Some servers never say it. */
const ASK_FIRST_MS = 1000;
const READ_CHUNK = 256 * 1024;

/** Waits until the body may be sent, or there is no use in sending it. */
export function wanted(call: ClientRequest): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ASK_FIRST_MS);
  for (const event of ["continue", "response", "close"]) call.once(event, () => resolve());
  call.flushHeaders();
  return promise.finally(() => clearTimeout(timer));
}

/** Writes a slice of a file as the body; ends quietly when the exchange has ended before it. */
export async function stream(slice: FileSlice, call: ClientRequest, progress: () => void): Promise<void> {
  if (slice.head !== undefined && !call.destroyed) call.write(slice.head);
  if (slice.length > 0) {
    const { path, start: from, length, onSent } = slice;
    let sent = 0;
    const file = createReadStream(path, { start: from, end: from + length - 1, highWaterMark: READ_CHUNK });
    for await (const chunk of file) {
      if (call.destroyed || call.writableEnded) return;
      progress();
      if (!call.write(chunk)) await drained(call);
      sent += chunk.length;
      onSent?.(sent);
    }
  }
  if (!call.destroyed) call.end(slice.tail);
}

function drained(call: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.off("drain", done);
      call.off("close", done);
      resolve();
    };
    call.on("drain", done);
    call.on("close", done);
  });
}
