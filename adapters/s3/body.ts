/** Bodies of answers. A body that ends early is asked for again: the SDK's retries end where the body begins. */
import { setTimeout } from "node:timers/promises";
import { BackendUnavailable } from "../registry.ts";

/** A body that broke off. */
export class CutShort extends Error {
  constructor(cause?: unknown) {
    super("The answer broke off.", { cause });
    this.name = "CutShort";
  }
}

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 100;

/** Tries again after a CutShort, with growing pauses. Throws BackendUnavailable after the last. */
export async function again<T>(what: string, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!(error instanceof CutShort)) throw error;
      if (attempt === ATTEMPTS) {
        throw new BackendUnavailable(
          `S3 breaks off in the middle of ${what}, again and again.`,
          "See whether the network and what lies in it (proxies) are sound, then try again.",
          error.cause,
        );
      }
      await setTimeout(FIRST_PAUSE_MS * 2 ** attempt * Math.random(), undefined, { signal });
    }
  }
}

/** What the SDK gives as a body on Node. */
export type Body = AsyncIterable<Buffer> & { destroy(): void };

/** Hands the `length` bytes of a body to `take`, with their place in it. Throws CutShort for less and for more. */
export async function drain(
  body: unknown,
  length: number,
  take: (chunk: Buffer, position: number) => Promise<void> | void,
): Promise<void> {
  const chunks = body as Body;
  let position = 0;
  try {
    const iterator = chunks[Symbol.asyncIterator]();
    for (;;) {
      const next = await iterator.next().catch((error: unknown) => {
        throw new CutShort(error);
      });
      if (next.done === true) break;
      if (position + next.value.length > length) throw new CutShort();
      await take(next.value, position);
      position += next.value.length;
    }
    if (position < length) throw new CutShort();
  } finally {
    chunks.destroy();
  }
}

/** The `length` bytes of a body. Throws CutShort. */
export async function wholeBody(body: unknown, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  await drain(body, length, (chunk, position) => {
    chunk.copy(bytes, position);
  });
  return bytes;
}
